"""How the two measurements are told, and held against their targets."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from orchestration.management import arrivals, latency
from orchestration.management.arrivals import Arrivals
from orchestration.management.commands.bench_latency import verdict
from orchestration.management.latency import Latencies


@pytest.fixture
def measured(monkeypatch):
    found = Arrivals(direct=[0.001], idle=[0.02], loaded=[0.05], busy=0.5)
    monkeypatch.setattr(arrivals, "measure", lambda count, url: found)
    monkeypatch.setattr(latency, "measure", lambda count, url: Latencies([0.1] * count, [0.12] * count))


def _printed(*options: str) -> list[str]:
    out = StringIO()
    call_command("bench_latency", "--count", "4", *options, stdout=out)
    return out.getvalue().splitlines()


def test_both_are_printed_and_the_socket_is_held_against_its_target(measured):
    lines = _printed()
    assert lines[2].split() == ["direct", "1.0", "1.0"]
    assert lines[3].split()[:3] == ["idle", "20.0", "20.0"]
    assert lines[3].endswith("at most 30/100: met")
    assert lines[4].endswith("not met")
    assert "50% of 16" in lines[5]
    assert lines[-1] == "ratio of the medians: 1.20"


def test_one_of_them_can_be_had_alone(measured):
    assert not any("socket" in line for line in _printed("--only", "token"))
    assert not any("first token" in line for line in _printed("--only", "socket"))


def test_the_aim_is_named_where_it_is_met():
    assert verdict("idle", 14.0, 39.0).endswith("met, and the aim of 15/40")
    assert verdict("idle", 14.0, 41.0).endswith(": met")
    assert verdict("idle", 31.0, 41.0).endswith("not met")
    assert verdict("direct", 1.0, 2.0) == ""


def test_nothing_to_measure_is_an_error():
    with pytest.raises(CommandError, match="--count"):
        call_command("bench_latency", "--count", "0")

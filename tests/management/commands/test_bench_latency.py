"""How the measurement is told."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from orchestration.management.commands import bench_latency
from orchestration.management.latency import Latencies


def test_the_medians_and_their_ratio_are_printed(monkeypatch):
    monkeypatch.setattr(bench_latency, "measure", lambda count: Latencies([0.1] * count, [0.12] * count))
    out = StringIO()
    call_command("bench_latency", "--count", "4", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[2].split() == ["direct", "100.0", "100.0"]
    assert lines[-1] == "ratio of the medians: 1.20"


def test_nothing_to_measure_is_an_error():
    with pytest.raises(CommandError, match="--count"):
        call_command("bench_latency", "--count", "0")

"""How the measurement is told."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from orchestration.management.commands import bench_contexts
from orchestration.management.context_bench import Comparison, Outcome, conversation


@pytest.fixture
def found(monkeypatch):
    """Pretends that Drover needed so many loads, and a server alone one for each turn."""

    def pretend(loads):
        def measure(turns):
            return Comparison(conversation(turns), Outcome(loads, 3.0), Outcome(turns, 9.0))

        monkeypatch.setattr(bench_contexts, "measure", measure)

    return pretend


def test_both_ways_and_their_ratio_are_printed(found):
    found(2)
    out = StringIO()
    call_command("bench_contexts", "--turns", "20", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[2].split() == ["through", "Drover", "2", "3.0"]
    assert lines[3].split() == ["straight", "to", "the", "server", "20", "9.0"]
    assert lines[4] == "loads without Drover for each one with it: 10.0"
    assert lines[5] == "contexts that Drover used: 2; no more loads than that are allowed"


def test_more_loads_than_contexts_is_a_failure(found):
    found(3)
    with pytest.raises(CommandError, match="3 loads for 2 contexts"):
        call_command("bench_contexts", "--turns", "20", stdout=StringIO())


def test_nothing_to_measure_is_an_error():
    with pytest.raises(CommandError, match="--turns"):
        call_command("bench_contexts", "--turns", "0")

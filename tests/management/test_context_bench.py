"""The measurement of loads for a client that never asks for the same context twice. The real run is `make bench`."""

import pytest

from orchestration.management import context_bench
from orchestration.management.context_bench import Comparison, Outcome, Turn, conversation
from orchestration.policy.context import BUCKETS


def test_no_two_requests_ask_for_the_same_context():
    turns = conversation(50)
    sizes = [turn.num_ctx for turn in turns]
    assert len(set(sizes)) == 50
    assert sizes == sorted(sizes)
    assert sizes[0] == 8192 + 1.25 * 400
    assert all(len(turn.prompt) == 1600 * number for number, turn in enumerate(turns, start=1))
    assert sizes[-1] <= BUCKETS[-1]


def test_buckets_are_counted_as_drover_uses_them():
    turns = [Turn("", num_ctx) for num_ctx in (8192, 8193, 16_000, 16_385)]
    found = Comparison(turns, through_drover=Outcome(3, 1.0), directly=Outcome(6, 2.0))
    assert (found.buckets, found.ratio) == (3, 2.0)


def test_a_server_asked_directly_loads_for_each_new_context():
    with context_bench.servers("gpu-a") as herd:
        for turn in conversation(3):
            context_bench.ask_directly(herd.urls[0], turn)
        assert context_bench.loads_of(herd) == 3


def test_a_server_that_refuses_is_told(monkeypatch):
    with context_bench.servers("gpu-a") as herd:
        monkeypatch.setattr(context_bench, "MODEL", "nowhere:latest")
        with pytest.raises(RuntimeError, match="refused"):
            context_bench.ask_directly(herd.urls[0], Turn("Hello", 4096))

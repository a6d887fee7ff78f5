"""The measurement of the way to the first token. The real run is `make bench`."""

import pytest

from orchestration.management import latency
from orchestration.management.latency import Latencies
from orchestration.ollama.simulator import NodeSpec


def test_overhead_is_taken_pair_by_pair():
    found = Latencies(direct=[0.1, 0.2, 0.3], through_drover=[0.15, 0.25, 0.4])
    rows = {name: (median, high) for name, median, high in found.rows()}
    assert rows["direct"][0] == pytest.approx(200)
    assert rows["overhead"][0] == pytest.approx(50)
    assert found.ratio == pytest.approx(1.25)


def test_the_high_percentile_of_one_value_is_that_value():
    assert latency.p95([0.5]) == 0.5


def test_a_direct_call_is_timed_to_its_first_text(make_simulator):
    herd = make_simulator([NodeSpec(models=(latency.MODEL,), speed=50)])
    assert 0 < latency.ask_directly(herd.urls[0]) < 60

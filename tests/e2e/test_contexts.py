"""Two context sizes of one model under traffic: neither starves, and no request hangs inside Ollama."""

from collections.abc import Iterator

import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from orchestration.policy.context import bucket
from tests.e2e.herd import Drover, running_drover

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def herd() -> Iterator[Herd]:
    handle = run_in_thread([NodeSpec(name="gpu-a", models=("llama3.2:latest",), slots=2, speed=4.0)])
    yield handle
    handle.stop()


@pytest.fixture(scope="module")
def drover(herd: Herd) -> Iterator[Drover]:
    with running_drover(drover_patience_normal_seconds=1) as running:
        running.connect(herd, slots_per_model=2)
        yield running


def test_a_larger_context_is_served_between_the_usual_ones_without_a_reload_for_each(
    drover: Drover, herd: Herd
) -> None:
    usual = drover.submit(*(f"Usual {n}" for n in range(12)), parameters={"num_predict": 100})
    drover.until_running(usual[0])
    large = drover.submit("Large.", parameters={"num_predict": 20, "num_ctx": 16_384})
    later = drover.submit(*(f"Later {n}" for n in range(6)), parameters={"num_predict": 100})
    tasks = drover.until_ended(*usual, *large, *later)
    assert {task["status"] for task in tasks} == {"completed"}
    assert herd.state()["gpu-a"]["counts"]["loads_total"] <= 3


def test_a_client_that_never_asks_for_the_same_context_twice_loads_once_for_each_bucket(
    drover: Drover, herd: Herd
) -> None:
    before = herd.state()["gpu-a"]["counts"]["loads_total"]
    sizes = [33_000 + 7000 * turn for turn in range(8)]
    for turn, num_ctx in enumerate(sizes):
        parameters = {"num_predict": 8, "num_ctx": num_ctx}
        (task,) = drover.until_ended(*drover.submit(f"And then? {turn}", parameters=parameters))
        assert task["status"] == "completed"
    buckets = {bucket(num_ctx, default=4096) for num_ctx in sizes}
    assert len(buckets) == 2
    assert herd.state()["gpu-a"]["counts"]["loads_total"] - before <= len(buckets)


def test_a_prompt_that_is_too_long_for_the_usual_context_gets_a_larger_one_and_is_told(drover: Drover) -> None:
    (task,) = drover.until_ended(*drover.submit("long " * 4000, parameters={"num_predict": 8}))
    assert task["status"] == "completed"
    assert task["attempt_list"][0]["num_ctx"] >= 8192
    assert "A context of 8,192, because prompt and answer take about 5,7" in task["decision_reason"]

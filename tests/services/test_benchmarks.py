"""Benchmarks: what is asked of whom, in which order, and the report that is kept."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.errors import Conflict, InvalidInput, ModelUnavailable, NotAllowed, NotFound, Unprocessable
from orchestration.models import AuditEntry, ModelConfig, Node, NodeVariant, Run, Task, User
from orchestration.permissions import Actor
from orchestration.queries.benchmarks import benchmark
from orchestration.services import benchmarks, runs
from orchestration.services.benchmarks import Asked, again, ensure_agent, settle, start

from .measuring import finish, metrics

LLAMA, QWEN = "llama3.2:latest", "qwen3:8b"


def asked(**fields: Any) -> Asked:
    return Asked(**{"models": ["llama3.2"], "concurrency": [1, 2], "repeats": 2, "rounds": 1, **fields})


@pytest.fixture
def two(make_node: Callable[..., Node]) -> list[Node]:
    return [make_node("gpu-a", models=(LLAMA, QWEN)), make_node("gpu-b", models=(LLAMA,), slots_per_model=2)]


def test_models_take_turns_on_a_node_and_nodes_run_beside_each_other(as_bob: Actor, two: list[Node]) -> None:
    run = start(actor=as_bob, asked=asked(models=[LLAMA, QWEN], repeats=1))
    together = finish(run)
    for tasks in together:
        by_node = {task.lane.node_id: set() for task in tasks}
        for task in tasks:
            by_node[task.lane.node_id].add((task.model_name, task.metadata["benchmark"]["concurrency"]))
        assert all(len(found) == 1 for found in by_node.values())
    assert {task.lane.node_id for task in together[0]} == {node.pk for node in two}
    assert [len(tasks) for tasks in together] == [2, 2, 4, 1, 1, 2]


def test_every_request_is_pinned_fixed_and_different(as_bob: Actor, node: Node) -> None:
    run = start(actor=as_bob, asked=asked(num_predict=64, seed=7))
    tasks = list(run.tasks.select_related("lane"))
    measured = [task for task in tasks if not task.metadata["benchmark"]["warm_up"]]
    assert {task.lane.node_id for task in tasks} == {node.pk}
    assert {task.lane.num_ctx for task in tasks} == {4096}
    assert [task.options for task in measured] == [{"num_predict": 64, "temperature": 0.0, "seed": 7}] * 6
    assert {task.own_max_tries for task in measured} == {1}
    assert len({str(task.input)[:14] for task in tasks}) == len(tasks) == 7
    assert (tasks[0].agent_name, tasks[0].system_prompt) == ("benchmark", "")


def test_levels_above_what_a_node_takes_are_left_out_and_said(as_bob: Actor, two: list[Node]) -> None:
    run = start(actor=as_bob, asked=asked(concurrency=[1, 4, 8]))
    assert [place["levels"] for place in run.spec["places"]] == [[1, 4], [1]]
    assert "8 at once with llama3.2:latest on gpu-a: gpu-a has 4 slots a model." in run.spec["left_out"]
    assert "4 and 8 at once with llama3.2:latest on gpu-b: gpu-b has 2 slots a model." in run.spec["left_out"]


def test_limits_of_model_and_person_count_over_all_nodes(as_bob: Actor, bob: User, two: list[Node]) -> None:
    ModelConfig.objects.create(model_name=LLAMA, max_concurrent_requests=3)
    run = start(actor=as_bob, asked=asked())
    assert [place["levels"] for place in run.spec["places"]] == [[1], [1]]
    runs.cancel(actor=as_bob, run_id=run.pk)
    User.objects.filter(pk=bob.pk).update(max_concurrent_tasks=1)
    with pytest.raises(Unprocessable, match="bob may have 1 tasks at once"):
        start(actor=as_bob, asked=asked())


def test_what_cannot_be_measured_is_left_out_in_words(as_bob: Actor, two: list[Node]) -> None:
    run = start(actor=as_bob, asked=asked(models=[LLAMA, QWEN], nodes=["gpu-b"]))
    assert run.spec["left_out"] == ["gpu-b does not have qwen3:8b."]
    with pytest.raises(ModelUnavailable, match="No node has codellama:latest"):
        start(actor=as_bob, asked=asked(models=["codellama"]))
    Node.objects.update(draining=True)
    with pytest.raises(Unprocessable, match="gpu-a takes no work now"):
        start(actor=as_bob, asked=asked())
    with pytest.raises(NotFound):
        start(actor=as_bob, asked=asked(nodes=["gpu-z"]))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"models": []}, "models"),
        ({"prompt_set": "endless"}, "prompt_set"),
        ({"prompts": ["  "]}, "prompts"),
        ({"concurrency": [0]}, "concurrency"),
        ({"concurrency": []}, "concurrency"),
        ({"repeats": 0}, "repeats"),
        ({"num_predict": 100_000}, "num_predict"),
    ],
)
def test_what_makes_no_sense_is_named(as_bob: Actor, node: Node, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        start(actor=as_bob, asked=asked(**fields))
    assert caught.value.detail["field"] == field


def test_too_many_requests_are_refused_with_their_number(as_bob: Actor, make_node: Callable[..., Node]) -> None:
    make_node("gpu-a", slots_per_model=64)
    with pytest.raises(InvalidInput, match="makes 25,601 requests"):
        start(actor=as_bob, asked=asked(concurrency=[64], repeats=20, rounds=20))


def test_a_node_is_measured_by_one_benchmark_at_a_time(as_bob: Actor, as_dave: Actor, two: list[Node]) -> None:
    first = start(actor=as_bob, asked=asked(nodes=["gpu-a"]), idempotency_key="k")
    with pytest.raises(Conflict, match=f"Benchmark {first.pk} measures on gpu-a now"):
        start(actor=as_dave, asked=asked())
    assert start(actor=as_dave, asked=asked(nodes=["gpu-b"])).pk != first.pk
    assert start(actor=as_bob, asked=asked(nodes=["gpu-a"]), idempotency_key="k").pk == first.pk


def test_a_viewer_starts_none(as_carol: Actor, node: Node) -> None:
    with pytest.raises(NotAllowed):
        start(actor=as_carol, asked=asked())
    assert not Run.objects.exists()


def test_the_report_has_the_speeds_of_ollamas_counts_and_the_load_apart(as_bob: Actor, node: Node) -> None:
    run = start(actor=as_bob, asked=asked(concurrency=[1]))
    NodeVariant.objects.create(
        node=node, model_name=LLAMA, num_ctx=4096, loaded_at=timezone.now(), load_seconds=9.0, last_load_seconds=3.5
    )
    finish(run)
    settle(run.pk)
    report = Run.objects.get(pk=run.pk).report
    (cell,) = report["cells"]
    assert report["complete"] is True
    assert (cell["requests"], cell["errors"]) == (2, 0)
    assert cell["decode_rate"]["median"] == pytest.approx(45.0)
    assert cell["prefill_rate"]["median"] == pytest.approx(24.0)
    assert cell["first_token_seconds"]["median"] == pytest.approx(0.5, abs=0.001)
    assert cell["total_rate"]["median"] == pytest.approx(90 / 2.51, rel=0.01)
    assert report["loads"] == [
        {"model": LLAMA, "node": "gpu-a", "seconds": 3.5, "was_loaded": False, "vram_bytes": 3_000_000_000}
    ]


def test_a_model_that_was_in_memory_has_no_load(as_bob: Actor, node: Node) -> None:
    NodeVariant.objects.create(
        node=node, model_name=LLAMA, num_ctx=4096, loaded_at=timezone.now(), last_load_seconds=3.5
    )
    run = start(actor=as_bob, asked=asked())
    finish(run)
    (load,) = benchmark(run.pk)["report"]["loads"]
    assert (load["seconds"], load["was_loaded"]) == (None, True)


def test_settling_waits_for_the_end_and_then_changes_nothing_more(as_bob: Actor, node: Node) -> None:
    run = start(actor=as_bob, asked=asked())
    settle(run.pk)
    assert Run.objects.get(pk=run.pk).report is None
    assert benchmark(run.pk)["report"]["complete"] is False
    finish(run)
    benchmarks.settle_ended()
    kept = Run.objects.get(pk=run.pk).report
    run.tasks.all().delete()
    settle(run.pk)
    assert Run.objects.get(pk=run.pk).report == kept
    assert benchmark(run.pk)["report"] == kept


def test_a_regression_against_the_last_run_of_the_same_spec_is_flagged(as_bob: Actor, node: Node) -> None:
    first = start(actor=as_bob, asked=asked(repeats=3))
    finish(first)
    other = start(actor=as_bob, asked=asked(num_predict=99))
    finish(other)
    second = again(actor=as_bob, run_id=first.pk)
    slow = timedelta(seconds=4)
    finish(second, told=lambda task: metrics(decode=slow))
    settle(second.pk)
    report = Run.objects.get(pk=second.pk).report
    assert (second.rerun_of_id, report["compared_with"]) == (first.pk, first.pk)
    sure = {(drift["figure"], drift["regressed"]) for drift in report["drifts"] if drift["sure"]}
    assert sure == {("decode_rate", True), ("total_rate", True)}
    decode = next(drift for drift in report["drifts"] if drift["figure"] == "decode_rate")
    assert decode["percent"] == pytest.approx(-50)


def test_other_work_on_the_node_is_remarked(as_bob: Actor, node: Node, submit: Callable[..., Run]) -> None:
    run = start(actor=as_bob, asked=asked())
    finish(submit("Something else."))
    finish(run)
    assert benchmark(run.pk)["report"]["remarks"] == [
        "1 other task ran on gpu-a meanwhile: its figures may be too low."
    ]


def test_a_warm_up_that_fails_fails_its_model_and_no_other(as_bob: Actor, make_node: Callable[..., Node]) -> None:
    make_node("gpu-a", models=(LLAMA, QWEN))
    run = start(actor=as_bob, asked=asked(models=[LLAMA, QWEN], repeats=1))
    warm_up = run.tasks.get(position=0)
    Task.objects.transition(warm_up.pk, "failed", ended_at=timezone.now(), error="no memory")
    finish(run)
    cells = {cell["model"]: cell for cell in benchmark(run.pk)["report"]["cells"]}
    assert (cells[LLAMA]["errors"], cells[LLAMA]["decode_rate"]) == (cells[LLAMA]["requests"], None)
    assert cells[QWEN]["errors"] == 0


def test_what_a_person_cancelled_is_not_an_error(as_bob: Actor, node: Node) -> None:
    run = start(actor=as_bob, asked=asked())
    runs.cancel(actor=as_bob, run_id=run.pk)
    found = benchmark(run.pk)
    assert (found["status"], found["report"]["cells"]) == ("cancelled", [])


def test_own_prompts_are_kept_for_the_next_time(as_bob: Actor, node: Node) -> None:
    run = start(actor=as_bob, asked=asked(prompts=["What is a lease?"], title="Mine"))
    finish(run)
    second = again(actor=as_bob, run_id=run.pk)
    assert second.spec["hash"] == run.spec["hash"]
    assert "What is a lease?" in str(second.tasks.get(position=1).input)
    assert (second.title, second.spec["prompts"][0]["name"]) == ("Mine", "Prompt 1")


def test_the_agent_is_made_once(db: None) -> None:
    assert ensure_agent() == ensure_agent()


def test_starting_is_in_the_audit_trail(as_bob: Actor, node: Node) -> None:
    start(actor=as_bob, asked=asked())
    assert AuditEntry.objects.get(action="run.submitted").detail["kind"] == "benchmark"

"""Asking nodes to do something with models."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound, Unprocessable
from orchestration.models import (
    AuditEntry,
    FleetDefaults,
    Lane,
    ModelConfig,
    Node,
    NodeModel,
    OllamaModel,
    Pull,
    Run,
    Task,
)
from orchestration.permissions import Actor, Role
from orchestration.policy.presets import BUILT_IN
from orchestration.policy.states import ErrandType, Priority, RunKind
from orchestration.services import errands, nodes, runs, tasks

HERE = "llama3.2:latest"


@pytest.fixture
def herd(make_node: Callable[..., Node]) -> list[Node]:
    return [make_node("gpu-a"), make_node("gpu-b", loaded=(HERE,)), make_node("gpu-c", models=(), enabled=False)]


def ask(actor: Actor, type: ErrandType = ErrandType.PULL, *models: str, **fields: Any) -> list[Task]:
    run = errands.submit(actor=actor, type=type, models=models or ["qwen3:8b"], **fields)
    return list(run.tasks.select_related("lane__node").order_by("position"))


def where(tasks: list[Task]) -> list[str]:
    return [task.lane.node.name if task.lane.node else "" for task in tasks]


def test_a_model_is_pulled_to_every_enabled_node_in_one_run_with_a_task_for_each(
    as_alice: Actor, herd: list[Node]
) -> None:
    asked = ask(as_alice, ErrandType.PULL, "Qwen3:8b")
    run = Run.objects.get()
    assert (run.kind, run.title) == (RunKind.SINGLE, "Pull qwen3:8b on 2 nodes")
    assert where(asked) == ["gpu-a", "gpu-b"]
    assert [(task.type, task.title, task.status) for task in asked] == [
        ("pull", "Pull qwen3:8b on gpu-a", "pending"),
        ("pull", "Pull qwen3:8b on gpu-b", "pending"),
    ]
    assert Pull.objects.count() == 2
    entry = AuditEntry.objects.get(action="model.pull")
    assert entry.detail == {"models": ["qwen3:8b"], "nodes": ["gpu-a", "gpu-b"]}


@pytest.mark.parametrize(
    ("type", "nodes"),
    [(ErrandType.LOAD, ["gpu-a", "gpu-b"]), (ErrandType.UNLOAD, ["gpu-b"]), (ErrandType.DELETE, ["gpu-a", "gpu-b"])],
)
def test_without_nodes_it_is_done_where_it_makes_sense(
    type: ErrandType, nodes: list[str], as_alice: Actor, herd: list[Node]
) -> None:
    assert where(ask(as_alice, type, "llama3.2")) == nodes


def test_what_is_nowhere_is_said_to_be(as_alice: Actor, herd: list[Node]) -> None:
    with pytest.raises(Unprocessable, match=r"No enabled node has qwen3:8b on its disk"):
        ask(as_alice, ErrandType.DELETE)
    with pytest.raises(Unprocessable, match=r"gpu-c has no llama3\.2:latest on its disk\. Pull it there first"):
        ask(as_alice, ErrandType.LOAD, HERE, node_ids=[herd[2].pk])


def test_what_is_under_way_is_not_doubled(as_alice: Actor, herd: list[Node]) -> None:
    (first,) = ask(as_alice, node_ids=[herd[0].pk])
    again = errands.order(actor=as_alice, type=ErrandType.PULL, places=[("qwen3:8b", herd[0].pk)])
    assert (again.run.pk, [task.pk for task in again.under_way]) == (first.run_id, [first.pk])
    more = errands.order(actor=as_alice, type=ErrandType.PULL, places=[("qwen3:8b", node.pk) for node in herd[:2]])
    assert {task.pk for task in more.tasks} > {first.pk}
    assert Task.objects.count() == 2


def test_what_has_ended_is_done_again(as_alice: Actor, herd: list[Node]) -> None:
    (first,) = ask(as_alice, node_ids=[herd[0].pk])
    tasks.cancel(actor=as_alice, task_id=first.pk)
    (second,) = ask(as_alice, node_ids=[herd[0].pk])
    assert second.pk != first.pk


def test_only_maintainers_ask_nodes_to_do_something_with_models(as_bob: Actor, herd: list[Node]) -> None:
    with pytest.raises(NotAllowed):
        ask(as_bob)


@pytest.mark.parametrize("name", ["", "two words", "a'b", "-x", "x" * 201, "a\nb"])
def test_odd_names_are_refused(name: str, as_alice: Actor, herd: list[Node]) -> None:
    with pytest.raises(InvalidInput):
        ask(as_alice, ErrandType.PULL, name)


def test_a_node_that_is_not_there_is_named(as_alice: Actor, herd: list[Node]) -> None:
    with pytest.raises(NotFound):
        ask(as_alice, node_ids=[10_000])


def test_a_load_is_an_ordinary_urgent_task_for_its_node_and_the_rest_needs_no_model(
    as_alice: Actor, herd: list[Node], as_bob: Actor
) -> None:
    (load,) = ask(as_alice, ErrandType.LOAD, HERE, node_ids=[herd[0].pk], parameters={"num_ctx": 8000})
    (pull,) = ask(as_alice, node_ids=[herd[0].pk])
    assert (load.priority, load.lane.num_ctx, load.share) == (Priority.HIGH, 8192, as_alice.user_id)
    assert (pull.priority, pull.lane.num_ctx, pull.share) == (Priority.NORMAL, 0, 0)
    assert Lane.objects.filter(agent=None).count() == 2


def test_a_copy_needs_a_name_for_it(as_alice: Actor, herd: list[Node]) -> None:
    with pytest.raises(InvalidInput):
        ask(as_alice, ErrandType.COPY, HERE)
    (task, _) = ask(as_alice, ErrandType.COPY, HERE, parameters={"destination": "Mine"})
    assert task.parameters == {"destination": "mine:latest"}
    assert task.title == "Copy llama3.2:latest to mine:latest on gpu-a"


def test_who_unloads_or_deletes_a_pinned_model_does_not_want_it_back(as_alice: Actor, herd: list[Node]) -> None:
    pinned = NodeModel.objects.filter(node=herd[1], model__name=HERE)
    pinned.update(pinned=True, pinned_by="alice")
    ask(as_alice, ErrandType.UNLOAD, HERE)
    assert not pinned.get().pinned


def test_the_same_key_answers_with_the_same_run_and_another_request_is_refused(
    as_alice: Actor, herd: list[Node]
) -> None:
    (first, _) = ask(as_alice, idempotency_key="k", request_hash="one")
    (again, _) = ask(as_alice, idempotency_key="k", request_hash="one")
    assert first.pk == again.pk
    with pytest.raises(Conflict):
        ask(as_alice, idempotency_key="k", request_hash="two")


def test_a_node_that_goes_takes_its_errands_with_it(as_alice: Actor, herd: list[Node]) -> None:
    (task,) = ask(as_alice, node_ids=[herd[0].pk])
    nodes.delete(actor=as_alice, node_id=herd[0].pk)
    task.refresh_from_db()
    assert (task.status, task.error_code) == ("failed", "node_removed")


def test_a_copy_under_another_name_is_another_errand(as_alice: Actor, herd: list[Node]) -> None:
    place = [(HERE, herd[0].pk)]
    ordered = [
        errands.order(actor=as_alice, type=ErrandType.COPY, places=place, parameters={"destination": name})
        for name in ("mine", "yours", "mine")
    ]
    assert [len(order.under_way) for order in ordered] == [0, 0, 1]
    assert {task.parameters["destination"] for task in Task.objects.all()} == {"mine:latest", "yours:latest"}


def test_a_model_is_loaded_with_the_context_that_its_tasks_will_want(as_alice: Actor, herd: list[Node]) -> None:
    FleetDefaults.objects.create(pk=1, options={"num_ctx": 8192})
    ModelConfig.objects.create(model_name="qwen3:8b", preset="long context")
    make_installed("qwen3:8b", herd[0])
    ask(as_alice, ErrandType.LOAD, HERE, "qwen3:8b", node_ids=[herd[0].pk])
    wanted = {task.lane.models[0]: task.lane.num_ctx for task in Task.objects.select_related("lane")}
    assert wanted == {HERE: 8192, "qwen3:8b": BUILT_IN["long context"].options["num_ctx"]}


def make_installed(model: str, node: Node) -> None:
    NodeModel.objects.create(node=node, model=OllamaModel.objects.create(name=model), installed=True)


def test_what_was_for_a_node_that_is_gone_cannot_be_tried_again(as_alice: Actor, herd: list[Node]) -> None:
    (task,) = ask(as_alice, node_ids=[herd[0].pk])
    nodes.delete(actor=as_alice, node_id=herd[0].pk)
    task.refresh_from_db()
    assert (task.status, task.error) == ("failed", "It was for gpu-a, and alice removed that node.")
    with pytest.raises(Conflict, match="has been removed"):
        tasks.retry(actor=as_alice, task_id=task.pk)
    with pytest.raises(Conflict, match="nodes that have been removed"):
        runs.retry_failed(actor=as_alice, run_id=task.run_id)


def test_who_may_no_longer_change_models_cannot_have_an_errand_done_again(as_alice: Actor, herd: list[Node]) -> None:
    (task,) = ask(as_alice, ErrandType.DELETE, HERE, node_ids=[herd[0].pk])
    Task.objects.filter(pk=task.pk).update(status="failed")
    operator = replace(as_alice, role=Role.OPERATOR)
    with pytest.raises(NotAllowed):
        tasks.retry(actor=operator, task_id=task.pk)
    with pytest.raises(NotAllowed):
        runs.retry_failed(actor=operator, run_id=task.run_id)
    assert tasks.retry(actor=as_alice, task_id=task.pk).status == "pending"


def test_a_model_is_looked_up_once_for_however_many_nodes(
    as_alice: Actor, make_node: Callable[..., Node], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    herd = [make_node(f"gpu-{number}", disk_bytes=10**12) for number in range(5)]
    places = [("qwen3:8b", node.pk) for node in herd]
    per_lane, per_disk = 5, 3
    with django_assert_max_num_queries(30 + (per_lane + per_disk) * len(herd)):
        errands.order(actor=as_alice, type=ErrandType.PULL, places=places)


def test_one_empty_list_after_an_errand_does_not_take_several_models_away(
    as_alice: Actor, make_node: Callable[..., Node]
) -> None:
    node = make_node("gpu-a", models=(HERE, "qwen3:8b"))
    errands.looked(node_id=node.pk, installed=[], loaded=[], now=timezone.now())
    assert NodeModel.objects.filter(installed=True).count() == 2
    NodeModel.objects.filter(model__name=HERE).delete()
    errands.looked(node_id=node.pk, installed=[], loaded=[], now=timezone.now())
    assert not NodeModel.objects.exists()

"""Which errands may start, and why the others wait."""

from dataclasses import replace
from typing import Any

from orchestration.policy.errands import ErrandDecision, ErrandLane, ErrandNode, decide_errands, without
from orchestration.policy.fleet import NodeView

NODES = {1: ErrandNode(name="gpu-a"), 2: ErrandNode(name="gpu-b")}


def lane(id: int = 1, type: str = "pull", model: str = "qwen3:8b", node: int | None = 1, tasks: Any = ()) -> ErrandLane:
    return ErrandLane(id=id, type=type, model=model, node=node, tasks=tasks or (10 * id,))


def decided(*lanes: ErrandLane, **fields: Any) -> ErrandDecision:
    kept = {"nodes": NODES, "running": (), "room": 10, "workers_alive": 1, "pulls_per_node": 2}
    return decide_errands(lanes, **{**kept, **fields})


def words(decision: ErrandDecision) -> dict[int, str]:
    return {pk: waits.words for pk, waits in decision.waiting.items()}


def test_an_errand_is_granted_on_its_node_without_a_context() -> None:
    (grant,) = decided(lane()).grants
    assert (grant.task_id, grant.node_id, grant.model, grant.num_ctx, grant.slot) == (10, 1, "qwen3:8b", 0, 0)
    assert grant.reason == "It is for gpu-a alone"


def test_a_node_pulls_only_so_many_models_at_once() -> None:
    decision = decided(*(lane(pk, model=f"m{pk}:latest") for pk in (1, 2, 3)), lane(4, node=2))
    assert [grant.task_id for grant in decision.grants] == [10, 20, 40]
    assert words(decision) == {3: "gpu-a is pulling 2 models already, 2 at once is the limit"}


def test_pulls_do_not_keep_other_errands_waiting() -> None:
    running = [(1, "a:latest", "pull"), (1, "b:latest", "pull")]
    assert decided(lane(type="delete"), running=running).grants


def test_a_model_on_a_node_is_dealt_with_once_at_a_time() -> None:
    decision = decided(lane(type="delete"), running=[(1, "qwen3:8b", "pull")])
    assert words(decision) == {1: "gpu-a is pulling qwen3:8b; one thing at a time"}
    first_of_two = decided(lane(1), lane(2, type="delete"))
    assert len(first_of_two.grants) == 1


def test_the_second_task_of_a_lane_waits_for_the_first() -> None:
    decision = decided(lane(tasks=(1, 2)))
    assert [grant.task_id for grant in decision.grants] == [1]
    assert 1 in decision.waiting


def test_a_node_that_refuses_says_why_and_one_that_is_gone_too() -> None:
    refusing = {1: ErrandNode(name="gpu-a", refuses="gpu-a is disabled")}
    assert words(decided(lane(), lane(2, node=None), nodes=refusing)) == {
        1: "gpu-a is disabled",
        2: "The node it was for has been removed",
    }


def test_what_people_should_know_of_the_node_is_in_the_reason() -> None:
    noted = {1: ErrandNode(name="gpu-a", note="gpu-a is draining")}
    assert decided(lane(), nodes=noted).grants[0].reason == "It is for gpu-a alone. gpu-a is draining"


def test_without_workers_or_room_nothing_starts() -> None:
    assert words(decided(lane(), workers_alive=0)) == {1: "No worker is running"}
    decision = decided(lane(1), lane(2, node=2), room=1)
    assert len(decision.grants) == 1
    assert words(decision) == {2: "All workers are full"}


def test_a_model_that_is_used_is_deleted_when_that_has_ended_or_at_once_when_forced() -> None:
    used = {"in_use": {(1, "qwen3:8b")}}
    assert words(decided(lane(type="delete"), **used)) == {
        1: "gpu-a is running qwen3:8b, which is deleted when that has ended"
    }
    assert decided(lane(type="delete", node=2), **used).grants
    assert decided(replace(lane(type="delete"), force=True), **used).grants
    assert decided(lane(type="unload"), **used).grants


def test_nothing_more_begins_with_what_is_about_to_be_deleted() -> None:
    models = frozenset({"qwen3:8b", "llama3.2:latest"})
    nodes = [NodeView(id=1, name="gpu-a", installed=models), NodeView(id=2, name="gpu-b", installed=models)]
    leaving = decided(lane(type="delete"), lane(2, node=2)).leaving
    assert [node.installed for node in without(nodes, leaving)] == [{"llama3.2:latest"}, models]
    assert without(nodes, []) is nodes

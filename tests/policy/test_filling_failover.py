"""A task that failed more than once on a node goes to another one, even if its model must be loaded there first."""

from dataclasses import replace

from orchestration.policy.decision import Decision
from orchestration.policy.fleet import FleetView, NodeView
from orchestration.policy.placement import decide
from tests.policy.fleets import A, B, C, fleet, head, lane, node, plan, resident, runs, these

STUBBORN = these((1, 1, head(1, avoid=1, insists=True)))


def _decided(*nodes: NodeView, view: FleetView | None = None) -> Decision:
    return decide(view or fleet(nodes, [lane()], heads=STUBBORN))


def test_its_model_is_loaded_elsewhere_and_it_waits_for_that() -> None:
    decision = _decided(node(1, A), node(2))
    assert decision.grants == []
    (planned,) = decision.plans
    assert (planned.node_id, planned.plan.variant) == (2, A)
    assert planned.reason == "a:1b on gpu-2 too (there is room): a task failed on gpu-1 and goes elsewhere"
    assert decision.starts == [2]
    assert 1 in decision.waiting


def test_it_goes_on_waiting_while_the_load_lasts_and_asks_for_no_second_one() -> None:
    loading = replace(plan(A, patience=False), loading_since=plan(A).since)
    decision = _decided(node(1, A), node(2, plan=loading), node(3))
    assert (decision.grants, decision.plans) == ([], [])


def test_it_starts_there_when_the_model_is_loaded() -> None:
    (grant,) = _decided(node(1, A), node(2, A)).grants
    assert grant.node_id == 2


def test_it_waits_for_a_slot_of_the_other_node_rather_than_fail_again() -> None:
    decision = _decided(node(1, A), node(2, A, runs=runs(A)))
    assert (decision.grants, decision.plans) == ([], [])


def test_no_busy_model_goes_for_it_so_it_tries_the_same_node_again() -> None:
    full = node(2, B, C, runs=[*runs(B), *runs(C)])
    decision = _decided(node(1, A), full)
    assert [grant.node_id for grant in decision.grants] == [1]
    assert decision.plans == []


def test_where_no_other_node_has_its_model_it_tries_the_same_node_again() -> None:
    other = node(2, installed=frozenset({B.model}))
    assert [grant.node_id for grant in _decided(node(1, A), other).grants] == [1]


def test_where_the_load_failed_it_tries_the_same_node_again() -> None:
    other = node(2, load_refused={A: "gpu-2 could not load a:1b: out of memory"})
    assert [grant.node_id for grant in _decided(node(1, A), other).grants] == [1]


def test_it_keeps_nobody_else_from_the_free_slots() -> None:
    heads = these((1, 1, head(1, avoid=1, insists=True, age=9)), (1, 1, head(2, age=5)), (1, 1, head(3, age=4)))
    roomy = node(1, resident={A: resident(slots=4)})
    decision = decide(fleet([roomy, node(2)], [lane(counts={1: 3})], heads=heads))
    assert [grant.task_id for grant in decision.grants] == [2, 3]
    assert [planned.node_id for planned in decision.plans] == [2]


def test_a_first_failure_costs_no_load() -> None:
    once = these((1, 1, head(1, avoid=1)))
    decision = decide(fleet([node(1, A), node(2)], [lane()], heads=once))
    assert [grant.node_id for grant in decision.grants] == [1]
    assert decision.plans == []

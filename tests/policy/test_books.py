"""What is in use, what is left, and what users have received, while a decision is being made."""

from dataclasses import replace
from typing import Any

import pytest

from orchestration.policy.books import UNLIMITED, Books
from orchestration.policy.fleet import AgentRule, FleetView, ModelRule, NodeView, Parameters, ShareRule, Variant
from tests.policy.fleets import CTX, A, B, fleet, head, lane, node, plan, resident, run, runs, these

LARGE = Variant(model=A.model, num_ctx=2 * CTX)


def books(*nodes: NodeView, **fields: Any) -> Books:
    return Books(fleet(nodes, [lane()], **fields))


def test_the_lowest_slot_that_nobody_holds_is_free() -> None:
    at = node(1, runs=[run(A, 0), run(A, 2)], resident={A: resident(slots=4)})
    assert books(at).free_slot(at, A) == 1
    full = node(1, A, runs=runs(A))
    assert books(full).free_slot(full, A) is None


def test_runs_with_another_context_of_the_same_model_take_slots_of_it() -> None:
    reloaded = node(1, LARGE, runs=runs(A))
    assert books(reloaded).free_slot(reloaded, LARGE) is None


def test_a_model_others_use_has_one_slot_less_but_never_none() -> None:
    shared = node(1, resident={A: resident(busy_outside=True), B: resident(busy_outside=True, slots=1)})
    assert [books(shared).slots(shared, it) for it in (A, B)] == [1, 1]


def test_a_node_on_probation_takes_one_run_of_any_model() -> None:
    probe = node(1, A, B, probe=True, runs=[run(A)])
    assert books(probe).free_slot(probe, B) is None
    assert books(replace(probe, runs=[])).free_slot(probe, B) == 0


def test_a_larger_context_that_is_loaded_serves_and_a_smaller_one_does_not() -> None:
    large, small = node(1, LARGE), node(2, A)
    assert (books(large).serving(large, A), books(small).serving(small, LARGE)) == (LARGE, None)


def test_what_is_about_to_leave_or_was_deleted_from_the_disk_serves_nobody() -> None:
    leaving, deleted = node(1, A, plan=plan(B, A)), node(2, A, installed=frozenset({B.model}))
    assert books(leaving).serving(leaving, A) is None
    assert books(deleted).serving(deleted, A) is None
    assert books(leaving, deleted).holders(A) == ()


def test_who_loads_or_is_to_load_a_model_holds_it() -> None:
    all_nodes = [node(1, A), node(2, plan=plan(A)), node(3), node(4, A, refuses="gpu-4 is draining")]
    assert [it.id for it in books(*all_nodes).holders(A)] == [1, 2]


def test_who_holds_what_follows_the_plans_that_are_made_and_dropped() -> None:
    empty = node(1)
    ours = books(empty)
    assert ours.holders(A) == ()
    ours.commit(1, plan(A))
    assert ours.holders(A) == (empty,)
    ours.drop(1)
    assert ours.holders(A) == ()


def test_a_context_longer_than_the_model_was_trained_with_is_cut_as_ollama_cuts_it() -> None:
    ours = books(models={A.model: ModelRule(context_length=2048)})
    assert ours.wanted(lane(num_ctx=8192), A.model).num_ctx == 2048
    assert ours.wanted(lane(num_ctx=8192), B.model).num_ctx == 8192


@pytest.mark.parametrize(
    ("rule", "is_open"),
    [
        (ModelRule(), True),
        (ModelRule(enabled=False), False),
        (ModelRule(paused="by ana"), False),
        (ModelRule(max_concurrent=2, in_flight=1), True),
        (ModelRule(max_concurrent=2, in_flight=2), False),
    ],
)
def test_a_model_is_open_unless_people_closed_it_or_it_is_at_its_limit(rule: ModelRule, is_open: bool) -> None:
    assert books(models={A.model: rule}).model_open(A.model) is is_open


def test_an_agent_has_room_up_to_its_limit_and_none_while_it_is_paused() -> None:
    agents = {1: AgentRule(max_concurrent=3, in_flight=1), 2: AgentRule(max_concurrent=3, paused="by ana")}
    ours = books(agents=agents)
    assert [ours.agent_room(it) for it in (1, 2, 3, None)] == [2, 0, UNLIMITED, UNLIMITED]


def test_what_is_paused_or_was_just_granted_is_not_left() -> None:
    ours = books(paused={2: "Low priority paused by ana"})
    ours.taken[1, 0] = 2
    assert ours.left(lane(counts={0: 2, 1: 5, 2: 9})) == {1: 5}


def test_whether_anybody_may_start_names_the_user_who_may_not() -> None:
    shares = {1: ShareRule(max_concurrent=2, in_flight=2)}
    limited, open_ = these((1, 1, head(1))), these((1, 1, head(1)), (1, 1, head(2, share=2)))
    assert not books(heads=limited, shares=shares).anybody(lane(), 1)
    assert books(heads=open_, shares=shares).anybody(lane(), 1)
    ours = books(heads=limited, shares=shares)
    ours.anybody(lane(), 1)
    assert ours.at_user_limit == {1: 1}


def accounts(shares: dict[int, ShareRule], waiting: set[int]) -> FleetView:
    parameters = Parameters(credit=1000)
    return fleet([], [], shares=shares, waiting_shares=frozenset(waiting), parameters=parameters)


def test_who_comes_back_starts_level_with_the_least_served_of_those_who_stayed() -> None:
    shares = {1: ShareRule(service=500, active=True), 2: ShareRule(service=700, active=True), 3: ShareRule(service=9)}
    ours = Books(accounts(shares, {1, 2, 3, 4}))
    assert ours.service == {1: 500, 2: 700, 3: 500, 4: 500}
    assert ours.decision.service == {3: 500, 4: 500}, "only what changed is written"


def test_who_comes_back_with_more_keeps_it() -> None:
    shares = {1: ShareRule(service=500, active=True), 2: ShareRule(service=900)}
    assert Books(accounts(shares, {1, 2})).service[2] == 900


def test_everybody_starts_level_where_nobody_was() -> None:
    shares = {1: ShareRule(service=5000), 2: ShareRule(service=10)}
    assert Books(accounts(shares, {1, 2})).service == {1: 5000, 2: 5000}


def test_who_could_start_nothing_for_days_has_saved_up_no_more_than_the_credit() -> None:
    shares = {1: ShareRule(service=90_000, active=True), 2: ShareRule(service=10, active=True)}
    assert Books(accounts(shares, {1, 2})).service == {1: 90_000, 2: 89_000}

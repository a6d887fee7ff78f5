"""FILL: who goes first, where to, and what keeps a task that could start from starting."""

import pytest

from orchestration.policy.decision import Decision
from orchestration.policy.estimates import Estimates
from orchestration.policy.fleet import AgentRule, FleetView, HeadsOf, LaneView, ModelRule, ShareRule, Variant
from orchestration.policy.placement import decide
from tests.policy.fleets import CTX, A, B, fleet, head, lane, node, plan, resident, run, runs, these


def order(decision: Decision) -> list[int]:
    return [grant.task_id for grant in decision.grants]


def one_by_one(lanes: list[LaneView], heads: HeadsOf, **fields: object) -> list[int]:
    """Who starts, in order, where there is a slot for everybody."""
    roomy = node(1, resident={it: resident(slots=50) for it in (A, B)}, slots_per_model=50)
    return order(decide(fleet([roomy], lanes, heads=heads, **fields)))


def test_the_highest_class_goes_first_whatever_its_user_has_received() -> None:
    heads = these((1, 2, head(1, age=99)), (1, 0, head(2, share=2)), (1, 1, head(3, age=50)))
    shares = {1: ShareRule(active=True), 2: ShareRule(active=True, service=9999)}
    waiting = frozenset({1, 2})
    lanes = [lane(counts={0: 1, 1: 1, 2: 1})]
    assert one_by_one(lanes, heads, shares=shares, waiting_shares=waiting) == [2, 3, 1]


def test_within_a_class_who_has_received_the_least_goes_first_and_is_charged_for_it() -> None:
    heads = these(*((1, 1, head(number, share=number % 2)) for number in range(6)))
    shares = {0: ShareRule(active=True, service=600), 1: ShareRule(active=True)}
    lanes = [lane(counts={1: 6}, agent=7)]
    estimates = Estimates(output_tokens={(7, "generate"): 250})
    waiting = frozenset({0, 1})
    # 1 has received 0, 250, 500, then 750 and 0's 600 are less.
    given = one_by_one(lanes, heads, shares=shares, waiting_shares=waiting, estimates=estimates)
    assert given == [1, 3, 5, 0, 2, 4]


def test_the_accounts_are_charged_what_the_answers_are_expected_to_take() -> None:
    heads = these((1, 1, head(1, share=4)))
    estimates = Estimates(output_tokens={(7, "generate"): 90})
    view = fleet([node(1, A)], [lane(agent=7)], heads=heads, estimates=estimates)
    decision = decide(view)
    assert (decision.grants[0].share, decision.grants[0].tokens, decision.service[4]) == (4, 90, 90)


def test_of_equals_the_oldest_run_goes_first_across_queues_then_the_lower_number() -> None:
    heads = these((1, 1, head(5, age=3)), (2, 1, head(4, age=9)), (1, 1, head(3, age=3)), (1, 1, head(2, age=1)))
    lanes = [lane(1, counts={1: 3}), lane(2, B.model)]
    # Within a queue a user's tasks come in order.
    assert one_by_one(lanes, heads)[0] == 4
    assert one_by_one([lane(1), lane(2, B.model)], these((1, 1, head(7)), (2, 1, head(6)))) == [6, 7]


def test_it_goes_where_it_will_be_done_first() -> None:
    estimates = Estimates(tokens_per_second={(1, A.model): 20.0, (2, A.model): 40.0})
    (grant,) = decide(fleet([node(1, A), node(2, A)], [lane()], estimates=estimates)).grants
    assert (grant.node_id, grant.reason) == (
        2,
        "a:1b already loaded on gpu-2, 1 of 2 slots used; the fastest of 2 nodes with a free slot",
    )


@pytest.mark.parametrize("other", [runs(A, 1), runs(B, 1)])
def test_company_in_the_batch_or_beside_it_makes_a_node_slower(other: list) -> None:
    (grant,) = decide(fleet([node(1, A, B, runs=other), node(2, A)], [lane()])).grants
    assert grant.node_id == 2


def test_a_much_faster_node_is_taken_although_it_has_company() -> None:
    estimates = Estimates(tokens_per_second={(1, A.model): 40.0, (2, A.model): 20.0})
    (grant,) = decide(fleet([node(1, A, runs=runs(A, 1)), node(2, A)], [lane()], estimates=estimates)).grants
    assert grant.node_id == 1


def test_the_node_of_the_failed_attempt_is_avoided_where_there_is_a_choice() -> None:
    heads = these((1, 1, head(1, avoid=2)))
    estimates = Estimates(tokens_per_second={(1, A.model): 20.0, (2, A.model): 90.0})
    (grant,) = decide(fleet([node(1, A), node(2, A)], [lane()], heads=heads, estimates=estimates)).grants
    assert grant.node_id == 1
    assert grant.reason.endswith("not where its last attempt failed")
    (grant,) = decide(fleet([node(2, A)], [lane()], heads=heads)).grants
    assert grant.node_id == 2


def test_any_of_the_agents_models_that_is_loaded_will_do() -> None:
    (grant,) = decide(fleet([node(1, B)], [lane(1, A.model, B.model)])).grants
    assert grant.model == B.model


def test_among_loaded_models_the_teams_favourite_is_taken_then_the_fastest_then_the_first() -> None:
    view = [node(1, A, B)], [lane(1, A.model, B.model)]
    assert decide(fleet(*view)).grants[0].model == A.model
    assert decide(fleet(*view, models={B.model: ModelRule(priority=5)})).grants[0].model == B.model
    faster = Estimates(tokens_per_second={(1, A.model): 10.0, (1, B.model): 11.0})
    assert decide(fleet(*view, estimates=faster)).grants[0].model == B.model


def test_a_larger_context_that_is_loaded_serves_a_smaller_request_as_it_is() -> None:
    large = Variant(model=A.model, num_ctx=4 * CTX)
    (grant,) = decide(fleet([node(1, large)], [lane()])).grants
    assert grant.num_ctx == 4 * CTX


def test_a_model_that_is_not_in_memory_or_about_to_leave_is_sent_nothing() -> None:
    small = node(1, Variant(model=A.model, num_ctx=CTX // 2), runs=runs(A, 1))
    leaving = node(2, A, plan=plan(B, A), runs=runs(A, 1))
    assert decide(fleet([small, leaving, node(3, A, refuses="gpu-3 is draining")], [lane()])).grants == []


def test_only_what_loads_now_stands_still_the_other_models_of_the_node_go_on() -> None:
    loading = node(1, A, plan=plan(B, loading_since=None, victims=(B,)))
    assert len(decide(fleet([loading], [lane(counts={1: 9})])).grants) == 2


def test_slots_that_others_use_are_left_to_them() -> None:
    shared = node(1, resident={A: resident(slots=3, busy_outside=True)})
    assert len(decide(fleet([shared], [lane(counts={1: 9})])).grants) == 2


def test_a_node_on_probation_gets_one_task() -> None:
    assert len(decide(fleet([node(1, A, B, probe=True)], [lane(counts={1: 9}), lane(2, B.model)])).grants) == 1


def test_workers_that_are_full_get_nothing_more() -> None:
    assert len(decide(fleet([node(1, A)], [lane(counts={1: 9})], worker_room=1)).grants) == 1


def test_an_agent_at_its_limit_holds_back_its_own_tasks_only() -> None:
    agents = {5: AgentRule(max_concurrent=2, in_flight=1), 6: AgentRule(max_concurrent=9)}
    lanes = [lane(1, agent=5, counts={1: 5}), lane(2, B.model, agent=6, counts={1: 5})]
    granted = order(decide(fleet([node(1, A, B)], lanes, agents=agents)))
    assert sorted(number // 1000 for number in granted) == [1, 2, 2]


def test_a_models_limit_counts_over_all_nodes() -> None:
    models = {A.model: ModelRule(max_concurrent=3, in_flight=1)}
    view = fleet([node(1, A, runs=runs(A, 1)), node(2, A)], [lane(counts={1: 9})], models=models)
    assert len(decide(view).grants) == 2


def test_a_user_at_the_limit_holds_up_no_other() -> None:
    heads = these(*((1, 1, head(number, share=1)) for number in range(5)), (1, 1, head(9, share=2)))
    shares = {1: ShareRule(active=True, max_concurrent=2, in_flight=1), 2: ShareRule(active=True, service=999)}
    waiting = frozenset({1, 2})
    given = one_by_one([lane(counts={1: 6})], heads, shares=shares, waiting_shares=waiting)
    assert given == [0, 9]


@pytest.mark.parametrize(
    "fields",
    [
        {"models": {A.model: ModelRule(enabled=False)}},
        {"models": {A.model: ModelRule(paused="a:1b paused by ana")}},
        {"agents": {5: AgentRule(max_concurrent=9, paused="Agent paused by ana")}},
        {"paused": {1: "Normal priority paused by ana"}},
    ],
)
def test_what_people_stopped_does_not_start(fields: dict) -> None:
    assert decide(fleet([node(1, A)], [lane(agent=5)], **fields)).grants == []


def test_another_class_goes_on_while_one_is_paused() -> None:
    view = fleet([node(1, A)], [lane(counts={0: 1, 2: 1})], paused={0: "High priority paused by ana"})
    assert order(decide(view)) == [1200]


def looked_at(count: int, *heads: int, **fields: object) -> FleetView:
    roomy = node(1, resident={A: resident(slots=50)}, slots_per_model=50)
    queue = these(*((1, 1, head(number, share=number)) for number in heads))
    return fleet([roomy], [lane(counts={1: count})], heads=queue, **fields)


def test_where_not_all_of_a_queue_was_looked_at_another_decision_follows_at_once() -> None:
    assert decide(looked_at(5, 1, 2, 3)).more
    assert not decide(looked_at(3, 1, 2, 3)).more
    assert not decide(looked_at(5, 1, 2, 3, worker_room=3)).more, "no worker could take more of them"


def test_users_at_their_limit_are_no_reason_to_look_again_and_again() -> None:
    limited = {1: ShareRule(active=True, max_concurrent=1, in_flight=1)}
    assert not decide(looked_at(5, 1, shares=limited)).more
    reached_now = {1: ShareRule(active=True, max_concurrent=1), 2: ShareRule(active=True, service=1)}
    assert decide(looked_at(5, 1, shares=reached_now)).more


def test_the_lookup_is_asked_for_no_more_than_can_start() -> None:
    asked = []

    def heads(lane_id: int, priority: int, most: int) -> list:
        asked.append((lane_id, priority, most))
        return [head(1)]

    decide(fleet([node(1, A, runs=[run(A)])], [lane(counts={1: 9})], heads=heads))
    assert asked == [(1, 1, 1)]

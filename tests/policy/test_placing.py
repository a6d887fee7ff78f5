"""PLACE and GO: what is loaded where, what has to go for it, and when."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestration.policy.estimates import Estimates
from orchestration.policy.fleet import (
    AgentRule,
    FleetView,
    LaneView,
    ModelRule,
    NodeView,
    Parameters,
    ShareRule,
    Variant,
)
from orchestration.policy.placement import decide
from tests.policy.fleets import CTX, GB, NOW, A, B, C, D, ago, fleet, head, lane, node, plan, resident, run, runs, these

PATIENCE = {0: 2, 1: 60, 2: 300}
LARGE = Variant(model=A.model, num_ctx=4 * CTX)
SINGLE = {"vram_bytes": 11 * GB}
"""Room for one of the usual models."""


def wanting(variant: Variant = C, id: int = 9, **fields: Any) -> LaneView:
    return lane(id, variant.model, **{"num_ctx": variant.num_ctx, **fields})


def planned(view: FleetView) -> dict[int, tuple[Variant, tuple[Variant, ...]]]:
    return {it.node_id: (it.plan.variant, it.plan.victims) for it in decide(view).plans}


def on(*nodes: NodeView, lanes: tuple[LaneView, ...] = (), **fields: Any) -> FleetView:
    return fleet(nodes, lanes or [wanting()], **fields)


# A model nobody holds -------------------------------------------------------------------------------------------------


def test_a_model_nobody_holds_is_loaded_at_once_where_there_is_room() -> None:
    decision = decide(on(node(1, A)))
    (made,) = decision.plans
    assert (made.node_id, made.plan.variant, made.plan.victims, made.lane_id) == (1, C, (), 9)
    assert made.reason == "c:1b on gpu-1: no node holds it, there is room"
    assert decision.starts == [1]
    assert not made.plan.patience


def test_idle_models_make_room_the_least_recently_used_first() -> None:
    used = {A: resident(last_used=ago(5)), B: resident(last_used=ago(50))}
    decision = decide(on(node(1, resident=used)))
    assert decision.plans[0].plan.victims == (B,)
    assert decision.plans[0].reason == "c:1b on gpu-1: no node holds it, in place of b:1b, idle"


@pytest.mark.parametrize(
    "busy",
    [
        {"resident": {A: resident()}, "runs": runs(A, 1)},
        {"resident": {A: resident(busy_outside=True)}},
    ],
)
def test_a_model_that_we_or_others_use_makes_no_room_within_the_patience(busy: dict) -> None:
    assert planned(on(node(1, **SINGLE, **busy))) == {}


def test_a_model_for_which_tasks_wait_is_not_idle_even_between_two_runs() -> None:
    lanes = (wanting(C), lane(1, agent=5))
    agents = {5: AgentRule(max_concurrent=9)}
    view = on(node(1, A, **SINGLE), lanes=lanes, worker_room=0, agents=agents)
    assert planned(view) == {}


def test_the_node_that_could_serve_first_is_taken() -> None:
    estimates = Estimates(load_seconds={(1, C.model): 30.0, (2, C.model): 8.0})
    assert list(planned(on(node(1), node(2), estimates=estimates))) == [2]


def test_a_node_that_takes_no_work_or_lacks_the_model_or_failed_to_load_it_is_passed_over() -> None:
    away, without = node(1, refuses="gpu-1 is draining"), node(2, installed=frozenset())
    failed = node(3, load_refused={C: "gpu-3 could not load c:1b"})
    assert list(planned(on(away, without, failed, node(4, A, B)))) == [4]


def test_a_node_has_one_plan_and_each_model_a_node_of_its_own() -> None:
    lanes = (wanting(C, 1), wanting(D, 2))
    assert planned(on(node(1), lanes=lanes)).keys() == {1}
    both = planned(on(node(1), node(2), lanes=lanes))
    assert sorted(variant for variant, _ in both.values()) == [C, D]
    assert planned(on(node(1, plan=plan(D, loading_since=NOW)))) == {}


def test_the_first_of_the_agents_models_that_any_node_can_load_is_loaded() -> None:
    several = lane(9, A.model, C.model, D.model)
    assert planned(on(node(1), lanes=(several,)))[1][0] == A
    favourite = {D.model: ModelRule(priority=3)}
    assert planned(on(node(1), lanes=(several,), models=favourite))[1][0] == D
    without_a = node(1, installed=frozenset({C.model, D.model}))
    assert planned(on(without_a, lanes=(several,)))[1][0] == C
    failing = node(1, load_refused={A: "out of memory"})
    assert planned(on(failing, lanes=(several,)))[1][0] == C


@pytest.mark.parametrize(
    "fields",
    [
        {"models": {C.model: ModelRule(enabled=False)}},
        {"models": {C.model: ModelRule(paused="paused")}},
        {"models": {C.model: ModelRule(max_concurrent=1, in_flight=1)}},
        {"agents": {5: AgentRule(max_concurrent=1, in_flight=1)}},
        {"agents": {5: AgentRule(max_concurrent=1, paused="paused")}},
        {"paused": {1: "Normal priority paused by ana"}},
        {"shares": {1: ShareRule(active=True, max_concurrent=1, in_flight=1)}},
    ],
)
def test_nothing_is_loaded_for_tasks_that_could_not_start_then(fields: dict) -> None:
    assert planned(on(node(1), lanes=(wanting(agent=5, waited=999),), **fields)) == {}


def test_the_users_who_may_start_one_more_decide_which_class_wants_a_load() -> None:
    shares = {1: ShareRule(max_concurrent=1, in_flight=1), 2: ShareRule()}
    heads = these((9, 1, head(1, share=1)), (9, 2, head(2, share=2)))
    view = on(node(1, A, **SINGLE, runs=runs(A)), lanes=(wanting(counts={1: 1, 2: 1}, waited=100),))
    assert planned(replace(view, heads=heads, shares=shares)) == {}, "low has not waited for 300 s"
    assert planned(view).keys() == {1}


# A model that is held -------------------------------------------------------------------------------------------------


def backlog(tasks: int, *others: NodeView, **fields: Any) -> FleetView:
    """One node full with the model; 250 tokens a task, 48 tokens a second, a load of 12 s: some 2.3 tasks' time."""
    return on(node(1, A, runs=runs(A)), *others, lanes=(wanting(A, counts={1: tasks}),), **fields)


def test_a_second_node_is_given_only_to_a_backlog_that_lasts_longer_than_the_load() -> None:
    assert planned(backlog(2, node(2))) == {}
    decision = decide(backlog(4, node(2)))
    assert decision.plans[0].reason == "a:1b on gpu-2 too (there is room): 4 wait, longer than a load takes"


def test_a_backlog_displaces_nothing_busy_however_long_it_waits() -> None:
    view = backlog(100, node(2, B, **SINGLE, runs=runs(B)))
    assert planned(replace(view, lanes=[replace(view.lanes[0], queues=wanting(waited=9999).queues)])) == {}


def test_who_loads_it_already_counts_as_serving_it() -> None:
    assert planned(backlog(4, node(2), node(3, plan=plan(A, loading_since=NOW)))) == {}


def test_no_more_of_a_backlog_counts_than_limits_let_start() -> None:
    limited = {5: AgentRule(max_concurrent=3, in_flight=2)}
    view = backlog(50, node(2), agents=limited)
    view = replace(view, lanes=[replace(view.lanes[0], agent=5)])
    assert planned(view) == {}
    assert planned(backlog(50, node(2), models={A.model: ModelRule(max_concurrent=3, in_flight=2)})) == {}


def test_a_queue_counts_for_the_model_that_most_nodes_hold() -> None:
    several = lane(9, C.model, A.model)
    assert planned(on(node(1, A, runs=runs(A)), node(2), lanes=(several,))) == {}


def test_the_longest_backlog_per_holder_is_first() -> None:
    lanes = (wanting(C, 1, counts={1: 3}), wanting(D, 2, counts={1: 5}))
    assert planned(on(node(1), lanes=lanes))[1][0] == D
    higher = (wanting(C, 1, counts={0: 1}), wanting(D, 2, counts={1: 5}))
    assert planned(on(node(1), lanes=higher))[1][0] == C


# Contexts -------------------------------------------------------------------------------------------------------------


def test_an_idle_model_is_reloaded_for_a_larger_context() -> None:
    both = node(1, A, B, known_bytes={LARGE: 12 * GB})
    assert planned(on(both, lanes=(wanting(LARGE),))) == {1: (LARGE, (A,))}


def test_a_busy_one_is_reloaded_after_the_patience() -> None:
    busy = node(1, A, runs=runs(A))
    assert planned(on(busy, lanes=(wanting(LARGE, waited=59),))) == {}
    assert planned(on(busy, lanes=(wanting(LARGE, waited=61),))) == {1: (LARGE, (A,))}


def test_a_model_nobody_holds_is_loaded_once_with_the_largest_context_that_waits() -> None:
    lanes = (wanting(A, 1), wanting(LARGE, 2))
    known = {A: GB, LARGE: 2 * GB}
    assert planned(on(node(1, known_bytes=known), node(2, known_bytes=known), lanes=lanes)) == {1: (LARGE, ())}


def test_who_is_served_with_a_small_context_needs_no_larger_one_because_another_does() -> None:
    """Else whoever waits for the small one would count as waiting for a load, and its model as idle."""
    served = wanting(A, 1, counts={1: 1})
    view = on(node(1, A, runs=runs(A), **SINGLE), lanes=(served, wanting(LARGE, 2)))
    assert planned(view) == {}
    assert decide(view).waiting[1].words == "a:1b busy 2/2 on gpu-1"


def test_two_queues_with_different_contexts_do_not_reload_each_other() -> None:
    loaded = node(1, LARGE, runs=runs(LARGE), resident={LARGE: resident(since=ago(9999))})
    lanes = (wanting(A, 1, waited=9999, counts={1: 50}), wanting(LARGE, 2, waited=9999, counts={1: 50}))
    assert planned(on(loaded, lanes=lanes)) == {}


def test_a_larger_context_that_cannot_be_loaded_leaves_the_smaller_ones_alone() -> None:
    failed = node(1, load_refused={LARGE: "out of memory"})
    assert planned(on(failed, lanes=(wanting(A, 1), wanting(LARGE, 2)))) == {1: (A, ())}


# Patience -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("priority", PATIENCE)
def test_a_busy_model_is_displaced_when_the_patience_of_the_class_is_over(priority: int) -> None:
    busy = node(1, A, **SINGLE, runs=runs(A, preempted=True))
    early = wanting(counts={priority: 1}, waited=PATIENCE[priority] - 0.1)
    late = wanting(counts={priority: 1}, waited=PATIENCE[priority])
    assert planned(on(busy, lanes=(early,))) == {}
    decision = decide(on(busy, lanes=(late,)))
    assert decision.plans[0].plan.victims == (A,)
    assert decision.plans[0].plan.patience
    waited = round(PATIENCE[priority])
    words = f"c:1b on gpu-1, in place of a:1b: its task has waited {waited} s for a model nobody holds"
    assert decision.plans[0].reason == words


def test_the_patience_is_a_setting() -> None:
    parameters = Parameters(patience={it: timedelta(seconds=5) for it in range(3)})
    view = on(node(1, A, **SINGLE, runs=runs(A)), lanes=(wanting(waited=6),))
    assert planned(view) == {}
    assert planned(replace(view, parameters=parameters)).keys() == {1}


def test_nobody_is_late_whose_other_model_is_held_though_it_be_at_its_limit() -> None:
    several = lane(9, A.model, C.model, waited=999)
    models = {A.model: ModelRule(max_concurrent=2, in_flight=2)}
    assert planned(on(node(1, A, **SINGLE, runs=runs(A)), lanes=(several,), models=models)) == {}


def test_who_lost_the_patience_goes_before_a_higher_class_that_has_not() -> None:
    lanes = (wanting(C, 1, counts={0: 9}, waited=1), wanting(D, 2, counts={2: 1}, waited=301))
    assert planned(on(node(1), lanes=lanes))[1][0] == D


@pytest.mark.parametrize(("priority", "stays"), [(0, False), (1, True), (2, True)])
def test_a_busy_model_stays_six_load_times_except_for_high_tasks(priority: int, stays: bool) -> None:
    estimates = Estimates(load_seconds={(1, C.model): 10.0})
    lanes = (wanting(counts={priority: 1}, waited=999),)

    def at(age: float) -> FleetView:
        loaded = node(1, **SINGLE, resident={A: resident(since=ago(age))}, runs=runs(A))
        return on(loaded, lanes=lanes, estimates=estimates)

    assert (planned(at(59)) == {}) is stays
    assert planned(at(61)).keys() == {1}
    assert planned(replace(at(59), parameters=Parameters(stay=5))).keys() == {1}


def test_an_idle_model_need_not_stay() -> None:
    fresh = node(1, **SINGLE, resident={A: resident(since=ago(1))})
    assert planned(on(fresh, lanes=(wanting(waited=999),))).keys() == {1}


# Kept -----------------------------------------------------------------------------------------------------------------


def hot(rate: float, *others: NodeView, **fields: Any) -> FleetView:
    """Back after two loads and 10 s, 34 s in all: half a task is expected at 0.0147 tasks a second."""
    return on(node(1, A, **SINGLE), *others, high_rate={A.model: rate}, **fields)


def test_the_last_holder_of_a_model_that_high_tasks_will_soon_ask_for_is_kept() -> None:
    assert planned(hot(0.016)) == {}
    assert planned(hot(0.014)).keys() == {1}
    assert planned(hot(0.016, parameters=Parameters(hot=0.6))).keys() == {1}


def test_it_is_not_kept_from_high_tasks_nor_where_another_node_holds_it_nor_for_ever() -> None:
    assert planned(hot(1.0, lanes=(wanting(counts={0: 1}),))).keys() == {1}
    assert planned(hot(1.0, node(2, A, installed=frozenset({A.model})))).keys() == {1}
    assert planned(hot(1.0, lanes=(wanting(waited=61),))).keys() == {1}


def test_where_something_has_to_go_a_kept_model_is_the_last() -> None:
    used = {A: resident(last_used=ago(500)), B: resident(last_used=ago(5))}
    assert planned(on(node(1, resident=used), high_rate={A.model: 1.0})) == {1: (C, (B,))}


# Preemption -----------------------------------------------------------------------------------------------------------


def aborted(view: FleetView) -> list[int]:
    return [it.attempt_id for it in decide(view).aborts]


def test_low_runs_in_the_way_of_a_late_high_task_are_pushed_back_once() -> None:
    low, normal, again = (run(A, slot, priority=p) for slot, p in ((0, 2), (1, 1), (2, 2)))
    again = replace(again, preempted=True)
    busy = node(1, A, **SINGLE, runs=[low, normal, again])
    late = wanting(counts={0: 1}, waited=3)
    decision = decide(on(busy, lanes=(late,)))
    assert [(it.attempt_id, it.reason) for it in decision.aborts] == [
        (low.attempt_id, "made way for a high-priority task that waits for c:1b")
    ]
    assert decision.starts == [], "the others finish"
    assert aborted(on(busy, lanes=(late,), parameters=Parameters(preempt=False))) == []
    assert aborted(on(busy, lanes=(wanting(waited=61),))) == [], "not for a normal task"


def test_a_node_whose_runs_can_be_pushed_back_serves_a_high_task_sooner() -> None:
    normal, low = node(1, A, **SINGLE, runs=runs(A)), node(2, A, **SINGLE, runs=runs(A, priority=2))
    assert planned(on(normal, low, lanes=(wanting(counts={0: 1}, waited=3),))).keys() == {2}


# GO, and plans that wait ----------------------------------------------------------------------------------------------


def test_a_load_begins_when_nothing_runs_on_its_victims() -> None:
    draining = node(1, A, **SINGLE, plan=plan(C, A), runs=runs(A, 1))
    lanes = (wanting(waited=99),)
    assert decide(on(draining, lanes=lanes)).starts == []
    assert decide(on(replace(draining, runs=[]), lanes=lanes)).starts == [1]
    loading = replace(draining, runs=[], plan=plan(C, A, loading_since=NOW))
    assert decide(on(loading, lanes=lanes)).starts == [], "it has begun"


def test_runs_sent_with_another_context_of_a_victim_are_waited_for() -> None:
    draining = node(1, LARGE, **SINGLE, plan=plan(C, LARGE), runs=runs(A, 1))
    assert decide(on(draining, lanes=(wanting(waited=99),))).starts == []


def withdrawn(draining: NodeView, *others: NodeView, lanes: tuple[LaneView, ...] = ()) -> list[int]:
    return decide(on(draining, *others, lanes=lanes or (wanting(waited=99),))).withdrawn


DRAINING = node(1, A, **SINGLE, plan=plan(C, A), runs=runs(A, 1))


def test_a_plan_is_kept_from_one_decision_to_the_next() -> None:
    decision = decide(on(DRAINING, lanes=(wanting(waited=99), lane(1, waited=99, counts={1: 50}))))
    assert (decision.withdrawn, decision.plans, decision.grants) == ([], [], [])


def test_a_plan_nobody_needs_any_more_is_withdrawn_and_the_victim_goes_on() -> None:
    decision = decide(on(DRAINING, lanes=(lane(1),)))
    assert decision.withdrawn == [1]
    assert withdrawn(replace(DRAINING, refuses="gpu-1 is draining")) == [1]
    assert withdrawn(replace(DRAINING, load_refused={C: "out of memory"})) == [1]
    assert withdrawn(replace(DRAINING, resident={A: resident(), C: resident()})) == [1], "somebody loaded it"


def test_a_busy_model_stays_when_somebody_else_has_loaded_what_was_missing() -> None:
    assert withdrawn(DRAINING, node(2, C, runs=runs(C))) == [1]


def test_a_load_that_has_begun_is_not_withdrawn() -> None:
    loading = replace(DRAINING, plan=plan(C, A, loading_since=NOW))
    assert withdrawn(loading, lanes=(lane(1),)) == []


def test_a_plan_moves_to_a_node_that_can_load_at_once_instead_of_waiting_for_a_long_run() -> None:
    decision = decide(on(DRAINING, node(2, B, **SINGLE), lanes=(wanting(waited=99),)))
    assert (decision.withdrawn, decision.starts) == ([1], [2])
    assert [(it.node_id, it.plan.victims) for it in decision.plans] == [(2, (B,))]


def test_a_plan_does_not_move_to_where_it_would_have_to_wait_as_well() -> None:
    decision = decide(on(DRAINING, node(2, B, **SINGLE, runs=runs(B)), lanes=(wanting(waited=99),)))
    assert (decision.withdrawn, decision.plans) == ([], [])


# What must not go on for ever -----------------------------------------------------------------------------------------


def test_without_a_worker_nothing_is_displaced() -> None:
    """No run would ever end, so every model that waits would displace the one before it, all night."""
    lanes = (wanting(C, 1, waited=999), wanting(D, 2, waited=999))
    assert planned(on(node(1, C, **SINGLE), lanes=lanes, workers_alive=0, worker_room=0)) == {}


def test_an_agents_younger_tasks_of_a_loaded_model_do_not_keep_its_older_ones_waiting_for_ever() -> None:
    agents = {5: AgentRule(max_concurrent=2, in_flight=2)}
    waiting = wanting(agent=5, waited=100)
    busy = node(1, A, **SINGLE, runs=runs(A, agent=5, age=30))
    assert planned(on(busy, lanes=(waiting,), agents=agents)).keys() == {1}
    long = node(1, A, **SINGLE, runs=runs(A, agent=5, age=90))
    assert planned(on(long, lanes=(waiting,), agents=agents)) == {}, "they were there before"
    higher = node(1, A, **SINGLE, runs=runs(A, agent=5, age=30, priority=0))
    assert planned(on(higher, lanes=(waiting,), agents=agents)) == {}, "they go first anyway"


def test_a_plan_is_not_given_up_because_its_agent_is_at_the_limit_again() -> None:
    agents = {5: AgentRule(max_concurrent=1, in_flight=1)}
    draining = replace(DRAINING, runs=runs(A, 1, agent=5, age=30))
    assert withdrawn(draining, lanes=(wanting(agent=5, waited=100),)) == []
    assert decide(on(draining, lanes=(wanting(agent=5, waited=100),), agents=agents)).withdrawn == []

"""Why a queue waits: each of the codes, in the words that people read, from what causes it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from orchestration.policy.decision import Waiting, Waits
from orchestration.policy.estimates import Estimates
from orchestration.policy.fleet import AgentRule, LaneView, ModelRule, NodeView, ShareRule, Variant
from orchestration.policy.placement import decide
from orchestration.policy.reasons import without_redis
from tests.policy.fleets import CTX, GB, A, B, C, D, ago, fleet, head, lane, node, plan, resident, run, runs, these

FULL = node(1, A, runs=runs(A))
ASKED = lane(agent=5)
SINGLE = {"vram_bytes": 11 * GB}
OFFLINE = node(1, A, refuses="gpu-1 offline since 14:02 UTC: connection refused")
LIMITED_USER = {1: ShareRule(name="ana", active=True, max_concurrent=20, in_flight=20)}


def one(*nodes: NodeView, lane: LaneView = ASKED, **fields: Any) -> Waiting:
    return decide(fleet(nodes, [lane], **fields)).waiting[1]


CASES: list[tuple[Waits, str, tuple[NodeView, ...], dict[str, Any]]] = [
    (Waits.NO_WORKER, "No worker is running", (FULL,), {"workers_alive": 0}),
    (Waits.WORKERS_FULL, "Workers are full 100/100", (node(1, A),), {"worker_room": 0}),
    (Waits.PAUSED, "Normal priority paused by ana", (FULL,), {"paused": {1: "Normal priority paused by ana"}}),
    (
        Waits.PAUSED,
        "Agent paused by ana",
        (FULL,),
        {"agents": {5: AgentRule(max_concurrent=2, paused="Agent paused by ana")}},
    ),
    (Waits.PAUSED, "a:1b paused by ana", (FULL,), {"models": {A.model: ModelRule(paused="a:1b paused by ana")}}),
    (Waits.AGENT_LIMIT, "Agent limit 2/2", (node(1, A),), {"agents": {5: AgentRule(max_concurrent=2, in_flight=2)}}),
    (Waits.USER_LIMIT, "Limit of user ana 20/20", (node(1, A),), {"shares": LIMITED_USER}),
    (Waits.USER_LIMIT, "Limit of user ana 20/20", (node(1),), {"shares": LIMITED_USER}),
    (
        Waits.MODEL_LIMIT,
        "a:1b at its limit 3/3",
        (node(1, A),),
        {"models": {A.model: ModelRule(max_concurrent=3, in_flight=3)}},
    ),
    (Waits.DISABLED, "Model disabled: a:1b", (FULL,), {"models": {A.model: ModelRule(enabled=False)}}),
    (Waits.NOT_PULLED, "Not pulled on any node: a:1b", (node(1, installed=frozenset()),), {}),
    (Waits.NOT_PULLED, "Not pulled on any node: a:1b", (), {}),
    (Waits.NODE_UNAVAILABLE, "gpu-1 offline since 14:02 UTC: connection refused", (OFFLINE,), {}),
    (
        Waits.LOAD_FAILED,
        "gpu-1 could not load a:1b: no memory",
        (node(1, load_refused={A: "gpu-1 could not load a:1b: no memory"}),),
        {},
    ),
    (Waits.LOADING, "a:1b is loading on gpu-1", (node(1),), {}),
    (Waits.LOADING, "a:1b is loading on gpu-1", (node(1, plan=plan(A, loading_since=ago(3))),), {}),
    (
        Waits.DRAINING,
        "gpu-1 makes room for a:1b: still running 2 of b:1b",
        (node(1, B, **SINGLE, plan=plan(A, B), runs=runs(B)),),
        {},
    ),
    (Waits.BUSY, "a:1b busy 2/2 on gpu-1", (FULL,), {}),
    (
        Waits.BUSY,
        "a:1b busy 1/1 on gpu-1, which others use too",
        (node(1, resident={A: resident(busy_outside=True)}, runs=runs(A, 1)),),
        {},
    ),
    (
        Waits.BUSY,
        "a:1b busy 1/2 on gpu-1, which has just recovered and takes one task at a time",
        (node(1, A, probe=True, runs=runs(A, 1)),),
        {},
    ),
    (
        Waits.NO_ROOM,
        "a:1b is on no node; gpu-1 can load it when b:1b is idle, and makes room after 60 s of waiting",
        (node(1, B, **SINGLE, runs=runs(B)),),
        {},
    ),
    (Waits.NO_ROOM, "a:1b is on no node; gpu-1 loads d:1b first", (node(1, plan=plan(D, loading_since=ago(1))),), {}),
]


@pytest.mark.parametrize(("code", "words", "nodes", "fields"), CASES, ids=lambda it: str(it)[:40])
def test_what_is_in_the_way_is_told(code: Waits, words: str, nodes: tuple[NodeView, ...], fields: dict) -> None:
    waiting = one(*nodes, **fields)
    assert (waiting.code, waiting.words) == (code, words)


def test_while_redis_is_away_that_is_the_reason_of_everything() -> None:
    waiting = without_redis(fleet([FULL], [lane(1), lane(2)])).waiting
    assert {it.code for it in waiting.values()} == {Waits.REDIS_AWAY}
    assert waiting[2].words == "Redis does not answer, so no worker can be told"


def test_every_code_has_a_case() -> None:
    assert {code for code, *_ in CASES} | {Waits.REDIS_AWAY} == set(Waits)


def test_who_can_start_waits_for_nothing() -> None:
    assert decide(fleet([node(1, A)], [lane()])).waiting == {}


def test_what_is_left_of_a_paused_class_says_so_when_another_class_has_just_started() -> None:
    view = fleet([node(1, A)], [lane(counts={0: 1, 2: 4})], paused={2: "Low priority paused by ana"})
    decision = decide(view)
    assert len(decision.grants) == 1
    assert decision.waiting[1].words == "Low priority paused by ana"


def test_a_paused_model_beside_a_disabled_one_is_not_called_disabled() -> None:
    models = {A.model: ModelRule(enabled=False), B.model: ModelRule(paused="b:1b paused by ana")}
    assert one(FULL, lane=lane(1, A.model, B.model), models=models).words == "b:1b paused by ana"


def test_workers_that_are_full_are_no_reason_for_what_could_not_start_anyway() -> None:
    assert one(node(1, installed=frozenset()), worker_room=0).code == Waits.NOT_PULLED
    assert one(FULL, worker_room=0).code == Waits.BUSY


def test_a_model_that_was_deleted_everywhere_is_not_in_the_way_of_the_others() -> None:
    only_b = node(1, C, **SINGLE, runs=runs(C), installed=frozenset({B.model, C.model}))
    assert one(only_b, lane=lane(1, A.model, B.model)).words.startswith("b:1b is on no node; gpu-1 can load it")


def test_a_node_without_a_plan_is_named_rather_than_one_that_loads_something_else() -> None:
    loads, busy = node(1, plan=plan(D, loading_since=ago(1))), node(2, B, **SINGLE, runs=runs(B))
    assert one(loads, busy).words.startswith("a:1b is on no node; gpu-2 can load it when b:1b is idle")


def test_after_the_patience_the_stay_of_what_is_there_is_what_is_waited_for() -> None:
    fresh = node(1, **SINGLE, resident={B: resident(since=ago(1))}, runs=runs(B))
    waiting = one(fresh, lane=lane(waited=61))
    assert waiting.words == "a:1b is on no node; gpu-1 can load it when b:1b is idle, or has been there long enough"


def test_a_model_that_fails_to_load_here_but_runs_there_is_busy() -> None:
    assert one(node(2, load_refused={A: "no memory"}), FULL).words == "a:1b busy 2/2 on gpu-1"


def test_many_nodes_are_counted_not_listed() -> None:
    words = one(*(node(number, A, runs=runs(A)) for number in range(1, 6))).words
    assert words == "a:1b busy 2/2 on gpu-1, 2/2 on gpu-2, 2/2 on gpu-3 and 2 more nodes"
    assert one(*(node(number, A, runs=runs(A)) for number in range(1, 5))).words.endswith("and 1 more node")


def test_long_queues_that_were_not_looked_at_as_a_whole_go_on_at_once() -> None:
    roomy = node(1, resident={A: resident(slots=9)}, slots_per_model=9)
    decision = decide(fleet([roomy], [lane(counts={1: 4})], heads=these((1, 1, head(1)))))
    assert (decision.more, decision.waiting[1].words) == (True, "Next in line")


# When it goes on ------------------------------------------------------------------------------------------------------

KNOWN = Estimates(run_seconds={(1, A.model): 20.0, (1, B.model): 20.0})


def test_no_time_is_told_as_long_as_no_run_has_ended() -> None:
    waiting = one(FULL)
    assert (waiting.next_seconds, waiting.per_second) == (None, None)


def test_a_busy_model_goes_on_when_its_first_run_ends_and_then_with_all_slots() -> None:
    at = replace(FULL, runs=[run(A, 0, age=5), run(A, 1, age=15)])
    waiting = one(at, estimates=KNOWN)
    assert (waiting.next_seconds, waiting.per_second) == (7.5, 0.1), "overdue or nearly so: half as long again"


def test_a_load_tells_how_long_it_has_taken_and_is_expected_to_take() -> None:
    loading = node(1, plan=plan(A, loading_since=ago(12), expected=timedelta(seconds=18)))
    waiting = one(loading, estimates=KNOWN)
    assert (waiting.since, waiting.expected_seconds, waiting.next_seconds) == (ago(12), 18, 6)
    assert (waiting.per_second, waiting.at_once) == (0.1, 2)


def test_a_load_that_takes_longer_than_expected_is_about_to_end() -> None:
    loading = node(1, plan=plan(A, loading_since=ago(99), expected=timedelta(seconds=18)))
    assert one(loading).next_seconds == 1


def test_who_makes_room_waits_for_the_last_of_its_runs_and_then_loads() -> None:
    draining = node(1, B, **SINGLE, plan=plan(A, B, expected=timedelta(seconds=18)))
    at = replace(draining, runs=[run(B, 0, age=5), run(B, 1, age=9)])
    assert one(at, estimates=KNOWN).next_seconds == 15 + 18
    assert one(at).next_seconds is None, "nobody knows how long such runs take"


def test_a_limit_goes_on_when_one_of_those_it_counts_ends() -> None:
    at = node(1, A, runs=[run(A, 0, age=5, agent=5)])
    waiting = one(at, estimates=KNOWN, agents={5: AgentRule(max_concurrent=1, in_flight=1)})
    assert (waiting.next_seconds, waiting.per_second) == (15, 0.05)
    assert one(at, estimates=KNOWN, shares=LIMITED_USER).next_seconds is None, "none of these runs is hers"


def test_words_of_a_lane_that_waits_for_a_larger_context_name_the_model() -> None:
    at = node(1, A, **SINGLE, runs=runs(A))
    large = lane(num_ctx=4 * CTX)
    assert one(at, lane=large).words.startswith("a:1b with a context of 16384 is on no node")
    loading = node(1, plan=plan(Variant(model=A.model, num_ctx=4 * CTX), loading_since=ago(1)))
    assert one(loading, lane=large).code == Waits.LOADING


KEPT = {A.model: ModelRule(allowed_nodes=("gpu-1", "fast"))}


def barred(id: int, **fields: Any) -> NodeView:
    return node(id, **{"installed": frozenset(), "barred": frozenset({A.model}), **fields})


def test_a_model_that_is_kept_to_nodes_that_are_away_says_so() -> None:
    found = one(OFFLINE, barred(2), models=KEPT)
    assert found.code == Waits.NODE_UNAVAILABLE
    assert found.words == "gpu-1 offline since 14:02 UTC: connection refused; a:1b is kept to gpu-1 or fast"


def test_a_model_that_is_kept_to_nodes_that_have_not_pulled_it_says_which() -> None:
    found = one(
        node(1, installed=frozenset()), node(3, installed=frozenset(), labels=("fast",)), barred(2), models=KEPT
    )
    assert (found.code, found.words) == (Waits.NOT_PULLED, "a:1b is kept to gpu-1 or gpu-3, where it is not pulled")


def test_a_model_that_is_kept_to_nodes_that_are_not_there_says_so() -> None:
    found = one(barred(2), models=KEPT)
    assert found.words == "a:1b is kept to gpu-1 or fast, and there is no such node"


def test_a_task_for_a_node_that_may_not_run_its_model_says_so() -> None:
    found = one(node(1, A), barred(2), lane=lane(agent=5, node=2), models=KEPT)
    assert found.words == "Only gpu-2 may run it, and a:1b is kept to gpu-1 or fast"

"""Tasks that only one node may run: where they go, what is loaded for them, and what they wait for, in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.policy.fleet import LaneView, Variant
from orchestration.policy.placement import decide
from tests.policy.fleets import GB, A, B, C, ago, fleet, head, lane, node, plan, resident, runs, these
from tests.policy.world import Job, World


def bound(to: int, id: int = 9, *models: str, **fields: object) -> LaneView:
    return lane(id, *models, node=to, **fields)


def words(*nodes: object, only: LaneView) -> str:
    return decide(fleet(nodes, [only])).waiting[only.id].words  # type: ignore[arg-type]


def test_a_pinned_task_goes_to_its_node_though_another_is_faster() -> None:
    grants = decide(fleet([node(1, A, slots_per_model=8), node(2, A, runs=runs(A, 1))], [bound(2)])).grants
    assert [(it.node_id, it.reason) for it in grants] == [
        (2, "a:1b already loaded on gpu-2, 2 of 2 slots used; no other node may run it")
    ]


def test_its_node_loads_the_model_though_another_holds_it() -> None:
    (made,) = decide(fleet([node(1, A), node(2)], [bound(2)])).plans
    assert (made.node_id, made.plan.variant) == (2, A)
    assert made.reason == "a:1b on gpu-2: its tasks may run nowhere else, there is room"


def test_a_plan_for_a_pinned_task_stays_though_another_node_serves_the_model() -> None:
    begun = plan(A, B, patience=True, since=ago(1))
    there = node(2, B, vram_bytes=11 * 10**9, runs=runs(B), plan=begun)
    assert decide(fleet([node(1, A), there], [bound(2)])).withdrawn == []


def test_a_load_that_a_pinned_task_needs_there_does_not_move_to_an_idle_node() -> None:
    draining = node(2, B, vram_bytes=11 * 10**9, runs=runs(B), plan=plan(A, B))
    lanes = [bound(2, 9), lane(1, counts={1: 1})]
    decision = decide(fleet([node(1), draining], lanes))
    assert decision.withdrawn == []


def test_others_find_the_model_where_a_pinned_task_has_it_loaded() -> None:
    decision = decide(fleet([node(1), node(2)], [lane(1), bound(2)]))
    assert [it.node_id for it in decision.plans] == [2]


def test_a_model_queued_for_elsewhere_is_not_busy_here() -> None:
    here = node(1, A, B)
    decision = decide(fleet([here, node(2, B, C)], [bound(2, 9, A.model), lane(1, C.model, node=1)]))
    assert {it.node_id: it.plan.victims for it in decision.plans}[1] in ((A,), (B,))


def test_a_late_pinned_task_displaces_a_busy_model_of_its_node() -> None:
    full = node(2, resident={B: resident(since=ago(900))}, vram_bytes=11 * 10**9, runs=runs(B))
    only = bound(2, waited=61)
    lanes = [only, lane(1, B.model, counts={1: 5})]
    decision = decide(fleet([node(1, A), full], lanes))
    (made,) = [it for it in decision.plans if it.plan.variant == A]
    assert made.node_id == 2
    assert made.reason == "a:1b on gpu-2, in place of b:1b: its task may run nowhere else and has waited 61 s"


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (node(2, refuses="gpu-2 is draining"), "Only gpu-2 may run it, and gpu-2 is draining"),
        (node(2, installed=frozenset()), "Only gpu-2 may run it, and it has not pulled a:1b"),
        (node(2, A, runs=runs(A)), "Only gpu-2 may run it, and a:1b busy 2/2 on gpu-2"),
        (
            node(2, B, vram_bytes=11 * 10**9, runs=runs(B)),
            "Only gpu-2 may run it, and a:1b is not in its memory; gpu-2 can load it when b:1b is idle, and makes room "
            "after 60 s of waiting",
        ),
        (node(2), "Only gpu-2 may run it, and a:1b is loading on gpu-2"),
        (
            node(2, load_refused={A: "gpu-2 could not load a:1b: no"}),
            "Only gpu-2 may run it, and gpu-2 could not load a:1b: no",
        ),
    ],
)
def test_words_name_the_only_node(there: object, said: str) -> None:
    assert words(node(1, A), there, only=bound(2)) == said


def test_words_for_a_node_that_is_gone() -> None:
    assert words(node(1, A), only=bound(7)).startswith("Only a node that is gone may run it, and it has not pulled")


def test_what_holds_up_a_pinned_task_wherever_it_ran_is_said_as_usual() -> None:
    view = fleet([node(1, A)], [bound(1)], workers_alive=0, worker_room=0)
    assert decide(view).waiting[9].words == "No worker is running"


def test_a_pinned_task_that_failed_on_its_node_goes_there_again() -> None:
    only = bound(1)
    view = fleet([node(1, A), node(2, A)], [only], heads=these((9, 1, head(5, avoid=1, insists=True))))
    assert [it.node_id for it in decide(view).grants] == [1]


@settings(max_examples=40, deadline=None)
@given(
    pins=st.lists(st.sampled_from([None, 1, 2]), min_size=1, max_size=5),
    models=st.lists(st.sampled_from([A, B, C]), min_size=5, max_size=5),
)
def test_pinned_tasks_run_on_their_node_and_all_tasks_end(pins: list[int | None], models: list[Variant]) -> None:
    lanes = [lane(id, models[id].model, node=pin) for id, pin in enumerate(pins)]
    jobs = [Job(id=id, lane=id % len(lanes), priority=1, share=1, begins=0, takes=3) for id in range(2 * len(lanes))]
    world = World(nodes=[node(1, vram_bytes=11 * 10**9), node(2, vram_bytes=11 * 10**9)], lanes=lanes, jobs=jobs)
    ran: dict[int, int] = {}
    for _ in range(600):
        for grant in world.step().grants:
            ran[grant.task_id] = grant.node_id
    assert all(job.ended is not None for job in jobs)
    for job in jobs:
        assert pins[job.lane] in (None, ran[job.id])


def test_the_node_that_holds_the_beginning_of_the_prompt_is_taken_where_it_is_no_worse() -> None:
    view = fleet([node(1, A), node(2, A)], [lane()], heads=these((1, 1, head(5, prefer=2))))
    (grant,) = decide(view).grants
    assert (grant.node_id, grant.reason) == (
        2,
        "a:1b already loaded on gpu-2, 1 of 2 slots used; holds the conversation's prefix",
    )


@pytest.mark.parametrize(
    "there",
    [
        node(2, A, runs=runs(A)),
        node(2, B),
        node(2, A, slots_per_model=9, resident={A: resident(slots=9)}, runs=runs(A, 7)),
    ],
)
def test_a_preferred_node_that_is_full_slower_or_without_the_model_is_not_waited_for(there: object) -> None:
    view = fleet([node(1, A), there], [lane()], heads=these((1, 1, head(5, prefer=2))))  # type: ignore[list-item]
    assert [it.node_id for it in decide(view).grants] == [1]


def test_a_preferred_node_where_the_last_try_failed_is_avoided_all_the_same() -> None:
    view = fleet([node(1, A), node(2, A)], [lane()], heads=these((1, 1, head(5, prefer=2, avoid=2))))
    assert [it.node_id for it in decide(view).grants] == [1]


# Models that people pinned --------------------------------------------------------------------------------------------


def test_a_pinned_model_is_displaced_by_nobody_however_late() -> None:
    full = node(1, A, vram_bytes=11 * 10**9, pinned={A: "pinned by alice"})
    late = lane(9, C.model, counts={0: 1}, waited=10_000)
    decision = decide(fleet([full], [late]))
    assert not decision.plans
    assert decision.waiting[9].words == "c:1b is on no node, and gpu-1 has no room beside a:1b, pinned there"


def test_beside_a_pinned_model_the_others_take_turns() -> None:
    (made,) = decide(fleet([node(1, A, B, pinned={A: "pinned by alice"})], [lane(9, C.model)])).plans
    assert made.plan.victims == (B,)


def test_where_too_much_is_pinned_for_a_model_nobody_is_told_that_it_will_be_loaded() -> None:
    large = {it: 10 * GB for it in (A, B)} | {C: 20 * GB}
    full = node(1, A, B, pinned={A: "pinned by alice"}, known_bytes=large)
    late = lane(9, C.model, counts={0: 1}, waited=10_000)
    assert words(full, only=late) == "c:1b is on no node, and gpu-1 has no room beside a:1b, pinned there"
    busy = node(2, A, B, runs=[*runs(A), *runs(B)], known_bytes=large)
    assert "gpu-2 can load it when" in words(full, busy, only=lane(9, C.model))


def test_what_is_pinned_is_loaded_where_there_is_room_although_others_wait() -> None:
    busy, idle = node(1, B, runs=runs(B)), node(2, pinned={A: "pinned by alice"}, installed=frozenset({A.model}))
    decision = decide(fleet([busy, idle], [lane(9, B.model)]))
    assert [(it.node_id, it.plan.variant, it.plan.preload) for it in decision.plans] == [(2, A, True)]

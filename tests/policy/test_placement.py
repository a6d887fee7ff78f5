"""Whole decisions: what holds for any fleet, and what becomes of fleets that live by them."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.policy.decision import Decision, Waits
from orchestration.policy.fleet import (
    AgentRule,
    ClassQueue,
    FleetView,
    Head,
    LaneView,
    ModelRule,
    NodeView,
    Parameters,
    Plan,
    Resident,
    ShareRule,
    Variant,
)
from orchestration.policy.placement import decide
from tests.policy.fleets import CTX, GB, NOW, SIZES, A, B, C, ago, fleet, lane, node, run
from tests.policy.world import Job, World

MODELS = tuple(SIZES)
variants = st.builds(Variant, model=st.sampled_from(MODELS), num_ctx=st.sampled_from((CTX, 2 * CTX)))
ages = st.sampled_from((0, 1, 3, 70, 400))


@st.composite
def nodes(draw: Any, number: int) -> NodeView:
    """One variant of a model at a time, runs on what is there within the slots, and now and then on what was there."""
    loaded = {it.model: it for it in draw(st.lists(variants, max_size=3))}.values()
    slots = draw(st.integers(1, 4))
    resident = {
        it: Resident(
            size_bytes=draw(st.sampled_from((1, 10))) * GB,
            slots=draw(st.integers(1, slots)),
            since=draw(st.sampled_from((None, ago(5), ago(500)))),
            last_used=draw(st.sampled_from((None, ago(5)))),
            busy_outside=draw(st.booleans()),
        )
        for it in loaded
    }
    placed = [
        run(it, slot, age=draw(ages), priority=draw(st.integers(0, 2)), agent=draw(st.sampled_from((None, 1))))
        for it in {it.model: it for it in [*draw(st.lists(variants, max_size=1)), *loaded]}.values()
        for slot in range(draw(st.integers(0, slots)))
    ]
    wanted = draw(variants)
    victims = tuple(it for it in loaded if draw(st.booleans()))
    since = draw(st.sampled_from((None, NOW)))
    made = Plan(variant=wanted, victims=victims, since=NOW, loading_since=since, patience=draw(st.booleans()))
    return node(
        number,
        installed=draw(st.frozensets(st.sampled_from(MODELS), min_size=1)),
        resident=resident,
        runs=placed,
        plan=draw(st.sampled_from((None, None, made))),
        slots_per_model=slots,
        single_slot=draw(st.sampled_from((frozenset(), frozenset({A.model})))),
        refuses=draw(st.sampled_from(("", "", "", "gpu is draining"))),
        probe=draw(st.sampled_from((False, False, True))),
        vram_bytes=draw(st.sampled_from((24 * GB, 11 * GB, None))),
        learned_bytes=draw(st.sampled_from((0, 12 * GB))),
        load_refused=draw(st.dictionaries(variants, st.just("no memory"), max_size=1)),
    )


@st.composite
def lanes(draw: Any, number: int) -> LaneView:
    counts = draw(st.dictionaries(st.integers(0, 2), st.integers(1, 5), min_size=1))
    return LaneView(
        id=number,
        models=tuple(draw(st.lists(st.sampled_from(MODELS), min_size=1, unique=True))),
        num_ctx=draw(st.sampled_from((CTX, 2 * CTX))),
        agent=draw(st.sampled_from((None, 1, 2))),
        queues={it: ClassQueue(count=number, oldest=ago(draw(ages))) for it, number in counts.items()},
    )


@st.composite
def fleets(draw: Any) -> FleetView:
    chosen = [draw(nodes(number)) for number in range(1, draw(st.integers(0, 4)) + 1)]
    waiting = [draw(lanes(number)) for number in range(1, draw(st.integers(0, 5)) + 1)]
    in_flight = Counter(it.variant.model for at in chosen for it in at.runs)
    models = {
        name: ModelRule(
            enabled=draw(st.sampled_from((True, True, True, False))),
            paused=draw(st.sampled_from(("", "", "", "paused"))),
            max_concurrent=draw(st.sampled_from((None, 3))),
            in_flight=in_flight[name],
            context_length=draw(st.sampled_from((None, CTX))),
        )
        for name in MODELS
    }
    shares = {
        share: ShareRule(service=draw(st.integers(0, 900)), max_concurrent=draw(st.sampled_from((None, 1))))
        for share in (1, 2)
    }
    insists = draw(st.booleans())

    def heads(lane_id: int, priority: int, most: int) -> list[Head]:
        count = next(it for it in waiting if it.id == lane_id).queues[priority].count
        first = 1000 * lane_id + 100 * priority
        return [
            Head(task_id=first + it, share=1 + it % 2, line_at=ago(50 - it), avoid=it % 3, insists=insists)
            for it in range(count)
        ]

    alive = draw(st.sampled_from((0, 1, 1, 1)))
    return FleetView(
        now=NOW,
        nodes=chosen,
        lanes=waiting,
        heads=heads,
        models=models,
        agents={1: AgentRule(max_concurrent=2, in_flight=draw(st.integers(0, 2)))},
        shares=shares,
        waiting_shares=frozenset(shares),
        high_rate={A.model: draw(st.sampled_from((0.0, 1.0)))},
        paused=draw(st.sampled_from(({}, {}, {1: "Normal priority paused by ana"}))),
        worker_room=draw(st.integers(0, 10)) * alive,
        worker_capacity=20,
        workers_alive=alive,
    )


def anything(test: Any) -> Any:
    return settings(max_examples=60, deadline=None)(given(fleets())(test))


def priority_of(task_id: int) -> int:
    return task_id % 1000 // 100


@anything
def test_no_slot_is_given_twice_and_none_beyond_what_a_model_has(view: FleetView) -> None:
    decision = decide(view)
    by_id = {it.id: it for it in view.nodes}
    taken = {(at.id, it.variant.model, it.slot) for at in view.nodes for it in at.runs}
    used = Counter((at.id, it.variant.model) for at in view.nodes for it in at.runs)
    for grant in decision.grants:
        place = (grant.node_id, grant.model, grant.slot)
        assert place not in taken
        taken.add(place)
        used[place[:2]] += 1
        resident = by_id[grant.node_id].resident[Variant(model=grant.model, num_ctx=grant.num_ctx)]
        assert used[place[:2]] <= max(1, resident.slots - resident.busy_outside)
        assert not by_id[grant.node_id].probe or sum(1 for at, *_ in taken if at == grant.node_id) == 1


@anything
def test_a_task_starts_only_on_a_model_that_is_loaded_and_stays(view: FleetView) -> None:
    decision = decide(view)
    by_id = {it.id: it for it in view.nodes}
    kept = {it.id: it.plan for it in view.nodes if it.plan and it.id not in decision.withdrawn}
    made = {it.node_id: it.plan for it in decision.plans}
    for grant in decision.grants:
        at, variant = by_id[grant.node_id], Variant(model=grant.model, num_ctx=grant.num_ctx)
        asked = next(it for it in view.lanes if it.id == grant.task_id // 1000)
        assert variant in at.resident
        assert grant.model in at.installed
        assert not at.refuses
        assert grant.num_ctx >= min(asked.num_ctx, view.models[grant.model].context_length or asked.num_ctx)
        leaving = made.get(at.id, kept.get(at.id))
        assert not leaving or variant not in leaving.victims or (at.id in made and at.id not in decision.starts)


@anything
def test_every_limit_and_pause_holds(view: FleetView) -> None:
    decision = decide(view)
    by_lane = {it.id: it for it in view.lanes}
    assert len({grant.task_id for grant in decision.grants}) == len(decision.grants) <= view.worker_room
    for name, count in Counter(grant.model for grant in decision.grants).items():
        rule = view.models[name]
        assert rule.enabled
        assert not rule.paused
        assert rule.max_concurrent is None or rule.in_flight + count <= rule.max_concurrent
    agents = Counter(by_lane[grant.task_id // 1000].agent for grant in decision.grants)
    assert view.agents[1].in_flight + agents[1] <= 2 or not agents[1]
    for share, count in Counter(grant.share for grant in decision.grants).items():
        most = view.shares[share].max_concurrent
        assert most is None or count <= most
    assert not {priority_of(grant.task_id) for grant in decision.grants} & set(view.paused)


@anything
def test_a_node_is_planned_once_and_only_for_what_it_may_load(view: FleetView) -> None:
    decision = decide(view)
    planned = [it.node_id for it in decision.plans]
    assert len(planned) == len(set(planned))
    for it in decision.plans:
        at = next(node for node in view.nodes if node.id == it.node_id)
        assert at.could_load(it.plan.variant)
        assert set(it.plan.victims) <= set(at.resident)
        assert at.plan is None or at.id in decision.withdrawn
        assert not any(other.model == it.plan.variant.model for other in at.resident if other not in it.plan.victims)
        assert it.reason
    loading = {at.id for at in view.nodes if at.plan and at.plan.loading_since}
    assert not loading & {*decision.withdrawn, *decision.starts}


@anything
def test_nothing_is_unloaded_under_a_run(view: FleetView) -> None:
    decision = decide(view)
    plans = {it.id: it.plan for it in view.nodes} | {it.node_id: it.plan for it in decision.plans}
    for number in decision.starts:
        at, plan = next(it for it in view.nodes if it.id == number), plans[number]
        assert plan is not None
        gone = {it.model for it in plan.victims}
        assert not gone & {it.variant.model for it in at.runs}
        assert not gone & {it.model for it in decision.grants if it.node_id == number}


@anything
def test_only_low_runs_are_pushed_back_and_only_for_high_tasks(view: FleetView) -> None:
    by_id = {it.attempt_id: it for at in view.nodes for it in at.runs}
    decision = decide(view)
    assert all(by_id[it.attempt_id].priority == 2 for it in decision.aborts)
    assert not decision.aborts or any(0 in lane.queues for lane in view.lanes)


@anything
def test_the_same_fleet_gets_the_same_decision(view: FleetView) -> None:
    assert decide(view) == decide(view)


@anything
def test_whatever_waits_is_told_why(view: FleetView) -> None:
    decision = decide(view)
    for asked in view.lanes:
        granted = sum(1 for it in decision.grants if it.task_id // 1000 == asked.id)
        left = sum(queue.count for queue in asked.queues.values()) - granted
        waiting = decision.waiting.get(asked.id)
        assert (waiting is None) == (left == 0)
        assert waiting is None or waiting.words
        assert waiting is None or waiting.code != Waits.REDIS_AWAY


def as_it_leaves_it(view: FleetView, decision: Decision) -> FleetView:
    """The same moment with what was decided about loads. Those that begin go on for ever."""
    plans = {it.id: it.plan for it in view.nodes if it.id not in decision.withdrawn}
    plans |= {it.node_id: it.plan for it in decision.plans}
    begun = {it: replace(plan, loading_since=NOW) for it in decision.starts if (plan := plans.get(it))}
    return replace(view, nodes=[replace(it, plan=(plans | begun).get(it.id)) for it in view.nodes], worker_room=0)


@anything
def test_no_plan_is_made_and_withdrawn_for_ever(view: FleetView) -> None:
    view = replace(view, worker_room=0)
    for _ in range(2 * len(view.nodes) + 2):
        decision = decide(view)
        view = as_it_leaves_it(view, decision)
    assert (decision.plans, decision.withdrawn, decision.starts) == ([], [], [])


@anything
def test_who_has_lost_the_patience_for_a_model_nobody_holds_gets_a_plan_if_a_node_has_none(view: FleetView) -> None:
    """For high tasks at once; for the others where nothing busy has still to stay."""
    free = replace(view, agents={}, shares={}, models={}, paused={}, parameters=Parameters(stay=0))
    decision = decide(free)
    withdrawn = set(decision.withdrawn)
    kept = {it.id: it.plan for it in view.nodes if it.plan and it.id not in withdrawn}
    plans = kept | {it.node_id: it.plan for it in decision.plans}
    for asked in view.lanes if view.workers_alive else []:
        late = any(NOW - it.oldest >= free.parameters.patience[of] for of, it in asked.queues.items())
        wanted = [Variant(model=model, num_ctx=asked.num_ctx) for model in asked.models]
        live = [it for it in view.nodes if not it.refuses]
        held = [
            it for it in live for variant in wanted
            if any(loaded.serves(variant) and variant.model in it.installed for loaded in it.resident)
            or (it.id in plans and plans[it.id].variant.serves(variant))
        ]  # fmt: skip
        able = [it for it in live for variant in wanted if it.could_load(variant) and it.id not in plans]
        assert not late or held or not able


# Fleets that live -----------------------------------------------------------------------------------------------------


@st.composite
def worlds(draw: Any) -> World:
    """A few nodes with room for one or two of four models, and jobs for any of them at any time."""
    fleet = [
        node(number, vram_bytes=draw(st.sampled_from((11 * GB, 24 * GB))))
        for number in range(1, draw(st.integers(1, 3)) + 1)
    ]
    queues = [
        lane(number, *draw(st.lists(st.sampled_from(MODELS), min_size=1, max_size=2, unique=True)),
             num_ctx=draw(st.sampled_from((CTX, CTX, 2 * CTX))))
        for number in range(1, draw(st.integers(1, 4)) + 1)
    ]  # fmt: skip
    jobs = [
        Job(
            id=number,
            lane=draw(st.sampled_from(queues)).id,
            priority=draw(st.integers(0, 2)),
            share=draw(st.integers(1, 3)),
            begins=draw(st.integers(0, 40)),
            takes=draw(st.integers(1, 20)),
        )
        for number in range(1, draw(st.integers(1, 25)) + 1)
    ]
    return World(fleet, queues, jobs)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_everything_ends_and_no_model_is_loaded_for_nothing(world: World) -> None:
    world.live(3000)
    assert all(job.ended is not None for job in world.jobs)
    assert world.loads <= len(world.jobs)


def steady(models: str, seconds: int, every: int, takes: int = 4, **fields: Any) -> list[Job]:
    """Jobs that keep a node busy with each of these models."""
    times = range(0, seconds, every)
    return [
        Job(id=1 + number, lane=1 + number % len(models), share=1, begins=at, takes=takes, **{"priority": 1, **fields})
        for number, at in enumerate(at for at in times for _ in models)
    ]


def test_two_models_that_share_one_place_take_turns_and_neither_starves() -> None:
    jobs = steady("ab", 600, 3)
    world = World([node(1, A, vram_bytes=11 * GB)], [lane(1, A.model), lane(2, B.model)], jobs)
    world.live(2000)
    waits = [job.waited for job in jobs]
    assert max(waits) < 300, waits
    assert world.loads <= 2000 / 60, "each of them stays until the other has lost its patience"


def test_two_contexts_of_one_model_do_not_reload_each_other_in_turn() -> None:
    jobs = steady("ab", 600, 3)
    queues = [lane(1, A.model), lane(2, A.model, num_ctx=2 * CTX)]
    world = World([node(1, A, vram_bytes=11 * GB)], queues, jobs)
    world.live(2000)
    assert all(job.ended is not None for job in jobs)
    assert world.loads == 1, "the larger one, once"


def test_a_run_that_never_ends_keeps_nobody_waiting_while_another_node_is_idle() -> None:
    endless = Job(id=1, lane=1, priority=1, share=1, begins=0, takes=10_000)
    other = Job(id=2, lane=2, priority=1, share=1, begins=0, takes=90)
    wanted = Job(id=3, lane=3, priority=1, share=1, begins=1, takes=5)
    small = {"vram_bytes": 11 * GB}
    queues = [lane(1, A.model), lane(2, B.model), lane(3, C.model)]
    world = World([node(1, A, **small), node(2, B, **small)], queues, [endless, other, wanted])
    world.live(200)
    assert wanted.ended is not None
    assert endless.ended is None


def test_whoever_dumps_hundreds_of_tasks_holds_up_nobody_else() -> None:
    dump = [Job(id=number, lane=1, priority=1, share=1, begins=0, takes=4) for number in range(1, 201)]
    trickle = [
        Job(id=1000 + number, lane=1, priority=1, share=2, begins=number, takes=4) for number in range(0, 100, 5)
    ]
    world = World([node(1, A)], [lane(1, A.model)], [*trickle, *dump])
    world.live(1000)
    assert max(job.waited for job in trickle) <= 4


def test_a_high_task_overtakes_a_thousand_low_ones_even_for_a_model_nobody_holds() -> None:
    low = [Job(id=number, lane=1, priority=2, share=1, begins=0, takes=30) for number in range(1, 200)]
    high = Job(id=1000, lane=2, priority=0, share=2, begins=50, takes=3)
    world = World([node(1, A, vram_bytes=11 * GB)], [lane(1, A.model), lane(2, B.model)], [*low, high])
    world.live(90)
    assert high.started is not None
    assert high.started - high.begins <= 2 + 3 + 2, "patience, load, a decision for each step"


def test_a_decision_says_the_same_of_a_quiet_fleet() -> None:
    assert decide(World([node(1, A)], [lane()], []).view()) == Decision()


def test_time_alone_changes_who_is_late() -> None:
    world = World([node(1, A, vram_bytes=11 * GB)], [lane(1, A.model), lane(2, B.model)], steady("ab", 200, 2))
    world.parameters = replace(world.parameters, patience={it: timedelta(days=1) for it in range(3)})
    world.live(300)
    assert min(job.waited for job in world.jobs if job.lane == 2) > 100, (
        "without patience the busy model keeps its place"
    )


def test_a_model_runs_only_where_it_is_kept() -> None:
    """On the other node it is in memory and idle."""
    rest = frozenset(SIZES) - {A.model}
    away = node(2, A, installed=rest, barred=frozenset({A.model}))
    models = {A.model: ModelRule(allowed_nodes=("gpu-1",))}
    decision = decide(fleet([node(1), away], [lane(counts={1: 3})], models=models))
    assert (decision.grants, [(it.node_id, it.plan.variant) for it in decision.plans]) == ([], [(1, A)])
    decision = decide(fleet([node(1, A), away], [lane(counts={1: 3})], models=models))
    assert {grant.node_id for grant in decision.grants} == {1}

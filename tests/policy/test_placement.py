"""The decision who runs next and where: examples with their reasons, and properties that hold for any fleet."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.policy.fleet import AgentRule, FleetView, LaneView, ModelRule, NodeView, Variant, WaitingTask
from orchestration.policy.placement import Decision, decide

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SMALL, BIG = "small:1b", "big:70b"
CTX = 4096


def node(id: int = 1, **fields: Any) -> NodeView:
    kept = {
        "name": f"gpu-{id}",
        "installed": frozenset({SMALL, BIG}),
        "loaded": {},
        "busy": {},
        "slots_per_model": 2,
    }
    return NodeView(id=id, **{**kept, **fields})


def task(id: int, *, age: int = 0, **fields: Any) -> WaitingTask:
    return WaitingTask(**{"id": id, "agent": None, "priority": 1, "since": NOW - timedelta(seconds=age), **fields})


def lane(*tasks: WaitingTask, id: int = 1, models: tuple[str, ...] = (SMALL,), num_ctx: int = CTX) -> LaneView:
    return LaneView(id=id, models=models, num_ctx=num_ctx, tasks=tasks)


def fleet(nodes: list[NodeView], lanes: list[LaneView], **fields: Any) -> FleetView:
    kept = {"models": {}, "agents": {}, "worker_room": 100, "worker_capacity": 100, "workers_alive": 1}
    return FleetView(now=NOW, nodes=nodes, lanes=lanes, **{**kept, **fields})


def order(decision: Decision) -> list[int]:
    return [grant.task_id for grant in decision.grants]


def test_a_waiting_task_gets_a_slot_with_a_reason() -> None:
    (grant,) = decide(fleet([node()], [lane(task(7))])).grants
    assert (grant.task_id, grant.node_id, grant.model, grant.num_ctx, grant.slot) == (7, 1, SMALL, CTX, 0)
    assert "gpu-1" in grant.reason


def test_priority_comes_before_age_and_age_before_the_number() -> None:
    tasks = [task(1, age=5), task(2, age=9), task(3, age=9), task(4, priority=0), task(5, priority=2, age=99)]
    assert order(decide(fleet([node(slots_per_model=9)], [lane(*tasks)]))) == [4, 2, 3, 1, 5]


def test_across_lanes_the_oldest_of_the_highest_class_goes_first() -> None:
    lanes = [lane(task(1, age=1)), lane(task(2, age=2), id=2, models=(BIG,))]
    assert order(decide(fleet([node()], lanes, worker_room=1))) == [2]


def test_a_resident_model_is_taken_before_an_idle_node_that_would_have_to_load_it() -> None:
    warm = node(2, loaded={SMALL: CTX}, busy={Variant(model=SMALL, num_ctx=CTX): frozenset({0})})
    (grant,) = decide(fleet([node(1), warm], [lane(task(1))])).grants
    assert grant.node_id == 2
    assert grant.reason == f"{SMALL} already loaded on gpu-2, 2 of 2 slots used"


def test_late_binding_takes_the_model_of_the_lane_that_is_resident() -> None:
    (grant,) = decide(fleet([node(loaded={BIG: CTX})], [lane(task(1), models=(SMALL, BIG))])).grants
    assert grant.model == BIG


def test_between_models_that_are_equally_warm_the_priority_decides_then_the_order() -> None:
    lanes = [lane(task(1), models=(SMALL, BIG))]
    assert decide(fleet([node()], lanes)).grants[0].model == SMALL
    assert decide(fleet([node()], lanes, models={BIG: ModelRule(priority=5)})).grants[0].model == BIG


def test_a_model_that_is_being_loaded_is_waited_for_rather_than_loaded_twice() -> None:
    loading = node(2, busy={Variant(model=SMALL, num_ctx=CTX): frozenset({0})})
    (grant,) = decide(fleet([node(1), loading], [lane(task(1))])).grants
    assert grant.node_id == 2
    assert "is being loaded on gpu-2" in grant.reason


def test_another_context_size_is_another_variant_and_the_last_choice() -> None:
    other_size = node(1, loaded={SMALL: 8192}, busy={Variant(model=SMALL, num_ctx=8192): frozenset({0})})
    (grant,) = decide(fleet([other_size, node(2)], [lane(task(1))])).grants
    assert grant.node_id == 2
    idle = replace(other_size, busy={})
    (grant,) = decide(fleet([idle], [lane(task(1))])).grants
    assert "must be reloaded" in grant.reason


def test_a_model_in_use_is_not_reloaded_with_another_context_under_its_runs() -> None:
    in_use = node(1, loaded={SMALL: 8192}, busy={Variant(model=SMALL, num_ctx=8192): frozenset({0})})
    decision = decide(fleet([in_use], [lane(task(1))]))
    assert decision.grants == []
    assert decision.lane_reasons[1] == f"{SMALL} waits for room on gpu-1: {SMALL} runs there with a context of 8192"


def test_while_a_reload_is_on_its_way_the_old_context_gets_nothing_new() -> None:
    reloading = node(1, loaded={SMALL: 8192}, busy={Variant(model=SMALL, num_ctx=CTX): frozenset({0})})
    decision = decide(fleet([reloading], [lane(task(1), num_ctx=8192)]))
    assert decision.grants == []


PATIENCE = {0: timedelta(seconds=2), 1: timedelta(seconds=60), 2: timedelta(seconds=300)}
BUSY_WITH_SMALL = node(
    1,
    loaded={SMALL: CTX},
    busy={Variant(model=SMALL, num_ctx=CTX): frozenset({0})},
    vram_bytes=24_000_000_000,
    size_bytes={SMALL: 1_000_000_000, BIG: 23_000_000_000},
)


def test_within_its_patience_a_task_of_an_unheld_model_lets_the_resident_one_go_on() -> None:
    lanes = [lane(task(1, age=10), id=1, models=(BIG,)), lane(task(2), id=2)]
    decision = decide(fleet([BUSY_WITH_SMALL], lanes, patience=PATIENCE))
    assert order(decision) == [2]
    assert decision.lane_reasons[1] == f"{BIG} waits for room on gpu-1: {SMALL} in use there"


def test_out_of_patience_it_gets_a_node_kept_that_takes_nothing_younger_until_it_is_empty() -> None:
    lanes = [lane(task(1, age=61), id=1, models=(BIG,)), lane(task(2, age=5), id=2)]
    decision = decide(fleet([BUSY_WITH_SMALL], lanes, patience=PATIENCE))
    assert decision.grants == []
    assert "it is kept for a task that waits longer" in decision.lane_reasons[2]
    emptied = replace(BUSY_WITH_SMALL, busy={})
    assert order(decide(fleet([emptied], lanes, patience=PATIENCE))) == [1]


def test_older_work_of_the_resident_model_still_goes_before_the_node_is_kept() -> None:
    lanes = [lane(task(1, age=61), id=1, models=(BIG,)), lane(task(2, age=90), id=2)]
    assert order(decide(fleet([BUSY_WITH_SMALL], lanes, patience=PATIENCE))) == [2]


def test_no_node_is_kept_for_a_model_that_another_node_holds() -> None:
    full = frozenset({0, 1})
    holder = node(2, loaded={BIG: CTX}, busy={Variant(model=BIG, num_ctx=CTX): full})
    lanes = [lane(task(1, age=999), id=1, models=(BIG,)), lane(task(2), id=2)]
    assert order(decide(fleet([BUSY_WITH_SMALL, holder], lanes, patience=PATIENCE))) == [2]


def test_a_context_longer_than_the_model_was_trained_with_is_cut_as_ollama_cuts_it() -> None:
    lanes = [lane(task(1), num_ctx=131_072)]
    (grant,) = decide(fleet([node()], lanes, models={SMALL: ModelRule(context_length=8192)})).grants
    assert grant.num_ctx == 8192


def test_the_node_of_the_failed_attempt_is_avoided_where_there_is_a_choice() -> None:
    warm = node(1, loaded={SMALL: CTX})
    assert decide(fleet([warm, node(2)], [lane(task(1, avoid=1))])).grants[0].node_id == 2
    assert decide(fleet([warm], [lane(task(1, avoid=1))])).grants[0].node_id == 1


def test_the_lowest_free_slot_is_taken() -> None:
    busy = {Variant(model=SMALL, num_ctx=CTX): frozenset({0, 2})}
    (grant,) = decide(fleet([node(slots_per_model=4, busy=busy)], [lane(task(1))])).grants
    assert grant.slot == 1


def test_a_model_for_which_ollama_takes_one_request_at_a_time_has_one_slot() -> None:
    single = node(slots_per_model=8, single_slot=frozenset({SMALL}))
    decision = decide(fleet([single], [lane(task(1), task(2))]))
    assert order(decision) == [1]
    assert decision.lane_reasons == {1: f"{SMALL} busy 1/1 on gpu-1"}


def test_an_agent_at_its_limit_holds_back_its_own_tasks_only() -> None:
    tasks = [task(1, age=9, agent=5), task(2, age=8, agent=5), task(3, age=7, agent=6)]
    agents = {5: AgentRule(max_concurrent=2, in_flight=1), 6: AgentRule(max_concurrent=1)}
    assert order(decide(fleet([node(slots_per_model=9)], [lane(*tasks)], agents=agents))) == [1, 3]


def test_each_reason_for_waiting_has_its_words() -> None:
    waiting = [lane(task(1))]
    busy = {Variant(model=SMALL, num_ctx=CTX): frozenset({0, 1})}
    cases = [
        (fleet([node()], waiting, workers_alive=0), "No worker is running"),
        (fleet([node()], waiting, worker_room=0), "Workers are full 100/100"),
        (fleet([node()], waiting, models={SMALL: ModelRule(enabled=False)}), f"Model disabled: {SMALL}"),
        (fleet([node(installed=frozenset())], waiting), f"Not pulled on any node: {SMALL}"),
        (fleet([], waiting), f"Not pulled on any node: {SMALL}"),
        (fleet([node(refuses="gpu-1 is draining")], waiting), "gpu-1 is draining"),
        (fleet([node(busy=busy)], waiting), f"{SMALL} busy 2/2 on gpu-1"),
        (
            fleet([node()], waiting, models={SMALL: ModelRule(max_concurrent=3, in_flight=3)}),
            f"{SMALL} at its limit 3/3",
        ),
    ]
    for view, words in cases:
        assert decide(view) == Decision(grants=[], lane_reasons={1: words})


def test_a_full_lane_does_not_hold_up_another() -> None:
    lanes = [lane(task(1, age=9), models=("nowhere:1b",)), lane(task(2), id=2)]
    decision = decide(fleet([node()], lanes))
    assert order(decision) == [2]
    assert list(decision.lane_reasons) == [1]


# Properties, for any fleet -------------------------------------------------------------------------------------------

MODELS = (SMALL, BIG, "mid:8b")
SIZES = (4096, 8192)
variants = st.builds(lambda m, c: Variant(model=m, num_ctx=c), st.sampled_from(MODELS), st.sampled_from(SIZES))


@st.composite
def nodes(draw: Any, number: int) -> NodeView:
    slots = draw(st.integers(1, 4))
    return NodeView(
        id=number,
        name=f"gpu-{number}",
        installed=draw(st.frozensets(st.sampled_from(MODELS))),
        loaded=draw(st.dictionaries(st.sampled_from(MODELS), st.sampled_from((*SIZES, None)))),
        busy=draw(st.dictionaries(variants, st.frozensets(st.integers(0, slots - 1)), max_size=3)),
        slots_per_model=slots,
        single_slot=draw(st.frozensets(st.sampled_from(MODELS), max_size=1)),
        refuses=draw(st.sampled_from(("", "", "gpu is draining"))),
    )


@st.composite
def fleets(draw: Any) -> FleetView:
    chosen = [draw(nodes(number)) for number in range(1, draw(st.integers(0, 4)) + 1)]
    in_flight = Counter(v.model for n in chosen for v, slots in n.busy.items() for _ in slots)
    waiting = [
        task(
            number,
            age=draw(st.integers(0, 5)),
            priority=draw(st.integers(0, 2)),
            agent=draw(st.sampled_from((None, 1, 2))),
            avoid=draw(st.sampled_from((None, 1, 2))),
        )
        for number in range(1, draw(st.integers(0, 12)) + 1)
    ]
    parts = [draw(st.integers(0, 2)) for _ in waiting]
    lanes = [
        LaneView(
            id=number,
            models=tuple(draw(st.lists(st.sampled_from(MODELS), min_size=1, unique=True))),
            num_ctx=draw(st.sampled_from(SIZES)),
            tasks=[one for one, part in zip(waiting, parts, strict=True) if part == number],
        )
        for number in range(3)
    ]
    limits = st.none() | st.integers(0, 5)
    models = {
        name: ModelRule(
            enabled=draw(st.sampled_from((True, True, False))),
            max_concurrent=draw(limits),
            in_flight=in_flight[name],
            context_length=draw(st.sampled_from((None, 4096))),
        )
        for name in MODELS
    }
    agents = {n: AgentRule(max_concurrent=draw(st.integers(1, 3)), in_flight=draw(st.integers(0, 2))) for n in (1, 2)}
    room = draw(st.integers(0, 10))
    alive = draw(st.sampled_from((0, 1, 2)))
    return fleet(chosen, lanes, models=models, agents=agents, worker_room=room, worker_capacity=20, workers_alive=alive)


def after(view: FleetView, decision: Decision) -> FleetView:
    """The fleet once the grants have been taken up."""
    granted = set(order(decision))
    busy = {n.id: {variant: set(slots) for variant, slots in n.busy.items()} for n in view.nodes}
    for grant in decision.grants:
        busy[grant.node_id].setdefault(Variant(model=grant.model, num_ctx=grant.num_ctx), set()).add(grant.slot)
    models, by_id = Counter(g.model for g in decision.grants), {t.id: t for lane in view.lanes for t in lane.tasks}
    agents = Counter(by_id[task_id].agent for task_id in granted)
    return replace(
        view,
        nodes=[replace(n, busy={v: frozenset(slots) for v, slots in busy[n.id].items()}) for n in view.nodes],
        lanes=[replace(lane, tasks=[t for t in lane.tasks if t.id not in granted]) for lane in view.lanes],
        models={name: replace(rule, in_flight=rule.in_flight + models[name]) for name, rule in view.models.items()},
        agents={
            number: replace(rule, in_flight=rule.in_flight + agents[number]) for number, rule in view.agents.items()
        },
        worker_room=view.worker_room - len(granted),
    )


@settings(max_examples=120, deadline=None)
@given(fleets())
def test_no_slot_is_given_twice_and_none_beyond_what_the_node_has(view: FleetView) -> None:
    taken = {(n.id, v.model, v.num_ctx, slot) for n in view.nodes for v, slots in n.busy.items() for slot in slots}
    by_id = {n.id: n for n in view.nodes}
    for grant in decide(view).grants:
        place = (grant.node_id, grant.model, grant.num_ctx, grant.slot)
        assert place not in taken
        assert 0 <= grant.slot < by_id[grant.node_id].slots(grant.model)
        taken.add(place)


@settings(max_examples=120, deadline=None)
@given(fleets())
def test_every_limit_holds(view: FleetView) -> None:
    decision = decide(view)
    by_id = {t.id: t for lane in view.lanes for t in lane.tasks}
    assert len(decision.grants) == len(set(order(decision))) <= max(0, view.worker_room)
    assert not decision.grants or view.workers_alive
    for name, count in Counter(grant.model for grant in decision.grants).items():
        limit = view.models[name].max_concurrent
        assert limit is None or view.models[name].in_flight + count <= limit
    for agent, count in Counter(by_id[task_id].agent for task_id in order(decision)).items():
        assert agent is None or view.agents[agent].in_flight + count <= view.agents[agent].max_concurrent


@settings(max_examples=120, deadline=None)
@given(fleets())
def test_a_grant_goes_to_a_willing_node_that_has_the_model_in_a_size_that_was_asked_for(view: FleetView) -> None:
    lane_of = {t.id: lane for lane in view.lanes for t in lane.tasks}
    by_id = {n.id: n for n in view.nodes}
    for grant in decide(view).grants:
        place, asked = by_id[grant.node_id], lane_of[grant.task_id]
        assert not place.refuses
        assert grant.model in place.installed
        assert grant.model in asked.models
        assert view.models[grant.model].enabled
        assert grant.num_ctx <= asked.num_ctx


@settings(max_examples=120, deadline=None)
@given(fleets())
def test_within_a_lane_and_an_agent_nobody_is_overtaken(view: FleetView) -> None:
    granted = set(order(decide(view)))
    for queue in view.lanes:
        for agent in (None, 1, 2):
            line = sorted((t.priority, t.since, t.id) for t in queue.tasks if t.agent == agent)
            taken = [number in granted for _, _, number in line]
            assert taken == sorted(taken, reverse=True)


@settings(max_examples=120, deadline=None)
@given(fleets())
def test_nothing_that_could_start_is_left_waiting(view: FleetView) -> None:
    assert decide(after(view, decide(view))).grants == []


@settings(max_examples=120, deadline=None)
@given(fleets())
def test_a_lane_that_waits_for_more_than_its_agents_says_why(view: FleetView) -> None:
    decision = decide(view)
    later = after(view, decision)
    for queue in later.lanes:
        free = [t for t in queue.tasks if t.agent is None or not _at_limit(later, t.agent)]
        assert not free or decision.lane_reasons[queue.id]


def _at_limit(view: FleetView, agent: int) -> bool:
    return view.agents[agent].in_flight >= view.agents[agent].max_concurrent


@settings(max_examples=120, deadline=None)
@given(fleets())
def test_the_first_grant_goes_to_a_resident_model_where_one_has_a_free_slot(view: FleetView) -> None:
    decision = decide(view)
    if not decision.grants:
        return
    first = decision.grants[0]
    queue = next(lane for lane in view.lanes if first.task_id in [t.id for t in lane.tasks])
    avoided = next(t.avoid for t in queue.tasks if t.id == first.task_id)
    resident = [(n.id, m) for n in view.nodes for m in queue.models if n.id != avoided and _warm(view, n, m, queue)]
    assert not resident or (first.node_id, first.model) in resident


def _warm(view: FleetView, place: NodeView, model: str, queue: LaneView) -> bool:
    rule = view.models[model]
    size = min(queue.num_ctx, rule.context_length or queue.num_ctx)
    used = place.busy.get(Variant(model=model, num_ctx=size), frozenset())
    room = rule.max_concurrent is None or rule.in_flight < rule.max_concurrent
    free = any(slot not in used for slot in range(place.slots(model)))
    willing = rule.enabled and not place.refuses and model in place.installed
    loads = any(slots and not place.has_loaded(variant) for variant, slots in place.busy.items())
    return bool(willing and room and free and not loads and place.loaded.get(model) == size)

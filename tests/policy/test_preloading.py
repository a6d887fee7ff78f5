from dataclasses import replace
from datetime import UTC, datetime

from orchestration.policy.fleet import FleetView, ModelRule, NodeView, Resident, Run, Upcoming, Variant
from orchestration.policy.placement import decide

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GB = 1_000_000_000
LLAMA, QWEN = Variant(model="llama:8b", num_ctx=4096), Variant(model="qwen:32b", num_ctx=4096)
NEXT = Upcoming(models=("qwen:32b",), num_ctx=4096, reason="a step that waits for others needs it")


def node(number: int = 1, **fields: object) -> NodeView:
    plain = NodeView(
        id=number,
        name=f"gpu-{number}",
        installed=frozenset({"llama:8b", "qwen:32b"}),
        vram_bytes=24 * GB,
        known_bytes={LLAMA: 6 * GB, QWEN: 15 * GB},
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def view(*nodes: NodeView, upcoming: tuple[Upcoming, ...] = (NEXT,), **fields: object) -> FleetView:
    plain = FleetView(now=NOW, nodes=nodes, lanes=(), heads=lambda *_: (), upcoming=upcoming, worker_room=5)
    return replace(plain, workers_alive=1, **fields)  # type: ignore[arg-type]


def test_what_comes_next_is_loaded_where_there_is_room_and_the_reason_says_so() -> None:
    resident = {LLAMA: Resident(size_bytes=6 * GB, slots=4)}
    decision = decide(view(node(resident=resident)))
    assert [planned.plan.variant for planned in decision.plans] == [QWEN]
    assert decision.plans[0].plan.preload
    assert decision.plans[0].plan.victims == ()
    assert decision.plans[0].reason == (
        "qwen:32b on gpu-1 ahead of time, there is room: a step that waits for others needs it"
    )
    assert decision.starts == [1]


def test_nothing_is_displaced_for_it_not_even_an_idle_model() -> None:
    resident = {LLAMA: Resident(size_bytes=16 * GB, slots=4)}
    assert decide(view(node(resident=resident))).plans == []


def test_a_model_that_some_node_holds_is_not_loaded_ahead_of_time() -> None:
    holder = node(1, resident={QWEN: Resident(size_bytes=15 * GB, slots=4)})
    assert decide(view(holder, node(2))).plans == []


def test_a_disabled_model_and_a_node_that_takes_nothing_are_left_alone() -> None:
    assert decide(view(node(), models={"qwen:32b": ModelRule(enabled=False)})).plans == []
    assert decide(view(node(refuses="gpu-1 is draining"))).plans == []


def test_nothing_is_loaded_ahead_of_time_while_nobody_could_use_it() -> None:
    idle = view(node())
    assert decide(idle).plans
    assert decide(replace(idle, workers_alive=0)).plans == []


def test_a_node_loads_one_at_a_time_the_most_urgent_first() -> None:
    usual = Upcoming(models=("llama:8b",), num_ctx=4096, reason="usually asked for at this hour, 40 times a day")
    decision = decide(view(node(), upcoming=(NEXT, usual)))
    assert [planned.plan.variant for planned in decision.plans] == [QWEN]


def test_what_is_pinned_comes_before_what_is_expected_and_names_who_wants_it() -> None:
    decision = decide(view(node(pinned={LLAMA: "pinned by alice"})))
    assert [(planned.plan.variant, planned.plan.preload) for planned in decision.plans] == [(LLAMA, True)]
    assert decision.plans[0].reason == "llama:8b on gpu-1 ahead of time, there is room: pinned by alice"


def test_what_is_pinned_waits_until_there_is_room() -> None:
    resident = {QWEN: Resident(size_bytes=20 * GB, slots=4)}
    assert not decide(view(node(resident=resident, pinned={LLAMA: "pinned"}), upcoming=())).plans


def test_a_pinned_model_with_too_small_a_context_is_loaded_anew_once_nobody_uses_it() -> None:
    large = Variant(model="llama:8b", num_ctx=8192)
    held = node(resident={LLAMA: Resident(size_bytes=6 * GB, slots=4)}, pinned={large: "pinned"})
    (planned,) = decide(view(held, upcoming=())).plans
    assert (planned.plan.variant, planned.plan.victims) == (large, (LLAMA,))
    used = replace(held, runs=[Run(attempt_id=1, variant=LLAMA, slot=0, since=NOW)])
    assert not decide(view(used, upcoming=())).plans


def test_a_model_that_is_paused_or_disabled_is_not_loaded_though_it_is_pinned() -> None:
    pinned = node(pinned={LLAMA: "pinned"})
    for rule in (ModelRule(enabled=False), ModelRule(paused="by alice")):
        assert not decide(view(pinned, upcoming=(), models={LLAMA.model: rule})).plans

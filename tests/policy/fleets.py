"""Fleets in few words: nodes, queues and views with everything that a test does not speak of left as usual."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from orchestration.policy.fleet import (
    ClassQueue,
    FleetView,
    Head,
    HeadsOf,
    LaneView,
    NodeView,
    Plan,
    Resident,
    Run,
    ShareRule,
    Variant,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GB = 1_000_000_000
CTX = 4096
A, B, C, D = (Variant(model=f"{name}:1b", num_ctx=CTX) for name in "abcd")
SIZES = {it.model: 10 * GB for it in (A, B, C, D)}
_numbers = count(1)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def resident(**fields: Any) -> Resident:
    return Resident(**{"size_bytes": 10 * GB, "slots": 2, **fields})


def run(variant: Variant = A, slot: int = 0, *, age: float = 1, **fields: Any) -> Run:
    return Run(**{"attempt_id": next(_numbers), "variant": variant, "slot": slot, "since": ago(age), **fields})


def runs(variant: Variant, number: int = 2, **fields: Any) -> list[Run]:
    return [run(variant, slot, **fields) for slot in range(number)]


def node(id: int = 1, *loaded: Variant, **fields: Any) -> NodeView:
    """With room for two of the usual models, two slots each, and all four of them on its disk."""
    kept = {
        "name": f"gpu-{id}",
        "installed": frozenset(SIZES),
        "resident": {it: resident() for it in loaded},
        "slots_per_model": 2,
        "vram_bytes": 24 * GB,
        "size_bytes": SIZES,
        "known_bytes": {it: 10 * GB for it in (A, B, C, D)},
    }
    return NodeView(id=id, **{**kept, **fields})


def plan(variant: Variant, *victims: Variant, **fields: Any) -> Plan:
    return Plan(**{"variant": variant, "victims": victims, "since": ago(1), "patience": True, **fields})


def head(task_id: int, *, share: int = 1, age: float = 1, **fields: Any) -> Head:
    return Head(task_id=task_id, share=share, line_at=ago(age), **fields)


def lane(id: int = 1, *models: str, counts: dict[int, int] | None = None, waited: float = 1, **fields: Any) -> LaneView:
    """``counts``: tasks by priority; ``waited``: seconds of the oldest in each."""
    queues = {priority: ClassQueue(count=number, oldest=ago(waited)) for priority, number in (counts or {1: 1}).items()}
    kept = {"models": models or (A.model,), "num_ctx": CTX, "agent": None, "type": "generate", "queues": queues}
    return LaneView(id=id, **{**kept, **fields})


def queue(lanes: Sequence[LaneView]) -> HeadsOf:
    """Where nobody says which tasks wait: of one user, numbered by lane and priority."""

    def heads(lane_id: int, priority: int, most: int) -> list[Head]:
        waiting = next(it for it in lanes if it.id == lane_id).queues[priority].count
        return [
            head(1000 * lane_id + 100 * priority + number, age=100 - number) for number in range(min(waiting, most))
        ]

    return heads


def these(*tasks: tuple[int, int, Head]) -> HeadsOf:
    """(lane, priority, task), in order for each user."""

    def heads(lane_id: int, priority: int, most: int) -> list[Head]:
        return [it for lane, of, it in tasks if (lane, of) == (lane_id, priority)]

    return heads


def fleet(nodes: Sequence[NodeView], lanes: Sequence[LaneView], **fields: Any) -> FleetView:
    kept = {
        "heads": queue(lanes),
        "shares": {1: ShareRule(active=True)},
        "waiting_shares": frozenset({1}),
        "worker_room": 100,
        "worker_capacity": 100,
        "workers_alive": 1,
    }
    return FleetView(now=NOW, nodes=nodes, lanes=lanes, **{**kept, **fields})

"""The fleet as decisions see it: nodes, lanes, rules, and the workers' room. Plain values, made by the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What a node really loads: a model with a context size in tokens."""

    model: str
    num_ctx: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """A node as the decision sees it. ``busy`` holds the slot numbers in use by each variant."""

    id: int
    name: str
    installed: frozenset[str]
    loaded: Mapping[str, int | None]
    busy: Mapping[Variant, frozenset[int]]
    slots_per_model: int
    single_slot: frozenset[str] = frozenset()
    refuses: str = ""
    vram_bytes: int | None = None
    size_bytes: Mapping[str, int] = field(default_factory=dict)
    """Of the model's file, by name."""
    resident_bytes: Mapping[str, int] = field(default_factory=dict)
    """What a loaded model takes, by name, where the server tells."""

    def slots(self, model: str) -> int:
        return 1 if model in self.single_slot else self.slots_per_model

    def has_loaded(self, variant: Variant) -> bool:
        """Old servers do not tell the context a model was loaded with: then it is taken for the right one."""
        return variant.model in self.loaded and self.loaded[variant.model] in (None, variant.num_ctx)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRule:
    """What the team decided about a model, and its training context in tokens. ``in_flight`` counts over all nodes."""

    enabled: bool = True
    context_length: int | None = None
    priority: int = 0
    max_concurrent: int | None = None
    in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRule:
    max_concurrent: int
    in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingTask:
    id: int
    agent: int | None
    priority: int
    since: datetime
    avoid: int | None = None
    """The node of the last failed attempt: another one is taken where there is a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """A queue with its first tasks, in no particular order; ``preferred`` is the model asked for first."""

    id: int
    models: tuple[str, ...]
    num_ctx: int
    tasks: Sequence[WaitingTask]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    now: datetime
    nodes: Sequence[NodeView]
    lanes: Sequence[LaneView]
    models: Mapping[str, ModelRule]
    agents: Mapping[int, AgentRule]
    worker_room: int
    worker_capacity: int
    workers_alive: int
    patience: Mapping[int, timedelta] = field(default_factory=dict)
    """By priority: how long a task waits before a node is emptied to load its model; for ever where it is not said."""

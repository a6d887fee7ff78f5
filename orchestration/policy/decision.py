"""What a decision says: who starts where, what is loaded for whom, who makes room, and why everything else waits."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from orchestration.policy.fleet import Plan


class Waits(StrEnum):
    """Why a queue waits, for programs; the words for people are beside it."""

    NO_WORKER = "no_worker"
    WORKERS_FULL = "workers_full"
    REDIS_AWAY = "redis_away"
    PAUSED = "paused"
    AGENT_LIMIT = "agent_limit"
    USER_LIMIT = "user_limit"
    MODEL_LIMIT = "model_limit"
    DISABLED = "disabled"
    NOT_PULLED = "not_pulled"
    NODE_UNAVAILABLE = "node_unavailable"
    LOAD_FAILED = "load_failed"
    LOADING = "loading"
    DRAINING = "draining"
    BUSY = "busy"
    NO_ROOM = "no_room"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """``tokens``: what it is expected to take, charged to the user's account until the true number is known."""

    task_id: int
    node_id: int
    model: str
    num_ctx: int
    slot: int
    reason: str
    share: int = 0
    tokens: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A node commits itself to a load. ``lane_id`` is the queue it is for, None for a preload."""

    node_id: int
    plan: Plan
    lane_id: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """A run of low priority that goes back into the line because a high task needs its place."""

    attempt_id: int
    node_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why a lane waits. ``next_seconds``: until something of it could start; ``per_second``: how many start then.

    Both are None as long as no speed is known. ``at_once``: how many start when it goes on; None where slots get free
    one by one. ``since`` and ``expected_seconds`` tell of a load in progress.
    """

    code: Waits
    words: str
    next_seconds: float | None = None
    per_second: float | None = None
    at_once: int | None = None
    since: datetime | None = None
    expected_seconds: float | None = None


@dataclass(slots=True)
class Decision:
    grants: list[Grant] = field(default_factory=list)
    plans: list[Planned] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    """Nodes whose plan is due: nothing runs on its victims any more, so they are unloaded and the load begins."""
    withdrawn: list[int] = field(default_factory=list)
    """Nodes whose plan nobody needs any more."""
    aborts: list[Abort] = field(default_factory=list)
    service: dict[int, float] = field(default_factory=dict)
    """The accounts that changed, by share."""
    more: bool = False
    """Slots stayed free only because no more of a queue was looked at: another decision should follow at once."""
    waiting: dict[int, Waiting] = field(default_factory=dict)
    """By lane, for those that have tasks left."""

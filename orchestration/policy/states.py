"""The words for where a task, an attempt and a node stand, and the moves that are legal between them."""

from enum import IntEnum, StrEnum


class TaskStatus(StrEnum):
    BLOCKED = "blocked"  # waits for other tasks of its run
    PENDING = "pending"  # could start, waits for a slot
    ASSIGNED = "assigned"  # has a slot, no worker has started it yet
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


WAITING = frozenset({TaskStatus.BLOCKED, TaskStatus.PENDING})
ACTIVE = frozenset({TaskStatus.ASSIGNED, TaskStatus.RUNNING})
UNFINISHED = WAITING | ACTIVE
ENDED = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})

TASK_SOURCES: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.BLOCKED: frozenset({TaskStatus.PENDING, TaskStatus.FAILED, TaskStatus.CANCELLED}),
    TaskStatus.PENDING: frozenset(
        {TaskStatus.BLOCKED, TaskStatus.ASSIGNED, TaskStatus.RUNNING, TaskStatus.FAILED, TaskStatus.CANCELLED}
    ),
    TaskStatus.ASSIGNED: frozenset({TaskStatus.PENDING}),
    TaskStatus.RUNNING: frozenset({TaskStatus.ASSIGNED}),
    TaskStatus.COMPLETED: frozenset({TaskStatus.BLOCKED, TaskStatus.RUNNING}),
    TaskStatus.FAILED: frozenset({TaskStatus.BLOCKED, TaskStatus.PENDING, TaskStatus.ASSIGNED, TaskStatus.RUNNING}),
    TaskStatus.CANCELLED: frozenset({TaskStatus.BLOCKED, TaskStatus.PENDING, TaskStatus.ASSIGNED, TaskStatus.RUNNING}),
}
"""For each status the statuses a task may come from. A task returns to pending after a lost lease or by a retry, to
blocked where its run holds it or resumes, and completes unstarted where it is skipped or was given to many others."""


class AttemptStatus(StrEnum):
    GRANTED = "granted"  # slot held, no worker has started it
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LOST = "lost"  # its lease ended, its node died or its worker gave it back


class Gate(IntEnum):
    """How a task stands to the limits of its run: it has none, holds it back, or has let it through."""

    FREE = 0
    HELD = 1
    PASSED = 2


class TaskType(StrEnum):
    GENERATE = "generate"
    CHAT = "chat"
    EMBED = "embed"


class ErrandType(StrEnum):
    """Tasks that say what a node is to do with a model, not what a model is to answer. Each is for one node."""

    PULL = "pull"
    LOAD = "load"
    UNLOAD = "unload"
    DELETE = "delete"
    COPY = "copy"


class RunKind(StrEnum):
    SINGLE = "single"
    BATCH = "batch"
    SEQUENCE = "sequence"
    WORKFLOW = "workflow"
    CONVERSATION = "conversation"
    COMPARISON = "comparison"
    BENCHMARK = "benchmark"


class AgentKind(StrEnum):
    CHAT = "chat"
    CODING = "coding"
    REASONING = "reasoning"
    RESEARCH = "research"
    CUSTOM = "custom"


class Priority(IntEnum):
    HIGH = 0
    NORMAL = 1
    LOW = 2


class PauseKind(StrEnum):
    """What can be paused: all tasks of a priority, of an agent, or for a model."""

    PRIORITY = "priority"
    AGENT = "agent"
    MODEL = "model"


class Phase(StrEnum):
    """Where a running attempt is. ``loading`` covers the wait for the first object while the model is not resident."""

    QUEUED = "queued"
    LOADING = "loading"
    PREFILL = "prefill"
    GENERATING = "generating"
    WORKING = "working"  # at an errand
    ENDED = "ended"


class NodeHealth(StrEnum):
    UNKNOWN = "unknown"  # not polled yet
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


def can_move(source: TaskStatus, target: TaskStatus) -> bool:
    return source in TASK_SOURCES[target]

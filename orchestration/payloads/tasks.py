"""Tasks and their results on the wire."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from orchestration.models import Task
from orchestration.payloads.attempts import AttemptPayload
from orchestration.payloads.base import iso, owner_name, stamp
from orchestration.payloads.presets import InForce
from orchestration.payloads.waiting import Wait, WaitingPayload
from orchestration.policy.states import Phase, TaskStatus

PUBLIC_STATUS = {
    TaskStatus.BLOCKED: "pending",
    TaskStatus.ASSIGNED: "pending",
    TaskStatus.PENDING: "pending",
    TaskStatus.RUNNING: "running",
    TaskStatus.COMPLETED: "completed",
    TaskStatus.FAILED: "failed",
    TaskStatus.CANCELLED: "cancelled",
}


class Progress(TypedDict):
    """What a worker last told of a running attempt, kept in Redis; see events.PROGRESS."""

    attempt_id: int
    phase: str
    progress: int
    message: str
    output_tokens: int
    tokens_per_second: float | None
    phase_since: str


class TaskRow(TypedDict):
    """A task in a list and in the event ``task``. ``state`` is the word of the state language, finer than status."""

    id: int
    run_id: int
    lane_id: int
    version: int
    title: str
    type: str
    status: str
    state: str
    priority: int
    agent: str
    agent_id: int | None
    owner: str | None
    owner_id: int | None
    position: int
    step: str
    parent_id: int | None
    model: str | None
    node: str | None
    progress: int
    message: str
    phase: str
    attempts: int
    attempt_id: int | None
    tags: list[str]
    waiting_reason: str | None
    waiting: WaitingPayload | None
    error_code: str | None
    error: str | None
    prompt_tokens: int | None
    output_tokens: int | None
    tokens_per_second: float | None
    created_at: str
    ready_at: str | None
    started_at: str | None
    ended_at: str | None
    duration_seconds: float | None


class Metrics(TypedDict):
    duration: float | None
    tokens_used: int | None
    prompt_tokens: int | None
    output_tokens: int | None
    queued_seconds: float | None
    load_seconds: float | None
    prefill_seconds: float | None
    decode_seconds: float | None
    first_token_seconds: float | None
    tokens_per_second: float | None


class TaskPayload(TypedDict):
    """A task in the REST API, first line as in the system that the API comes from."""

    id: int
    type: str
    input: Any
    output: Any
    status: str
    model_name: str | None
    error: str | None
    created_at: str
    completed_at: str | None
    run_id: int
    agent_id: int | None
    agent: str
    owner: str | None
    title: str
    state: str
    priority: int
    progress: int
    message: str
    phase: str
    attempts: int
    attempt_id: int | None
    node: str | None
    model_used: str | None
    decision_reason: str | None
    waiting_reason: str | None
    waiting: WaitingPayload | None
    error_code: str | None
    started_at: str | None
    thinking: str
    tool_calls: list[Any]
    tags: list[str]
    client_ref: str
    metadata: dict[str, Any]
    metrics: Metrics
    retried_from: int | None
    version: int
    position: int
    step: str
    parent_id: int | None
    skipped_because: str | None
    routing_reason: str | None
    fallbacks: list[str]
    preset: str | None
    passages: list[Any]
    passages_note: str | None
    attempt_list: NotRequired[list[AttemptPayload]]
    in_force: NotRequired[list[InForce]]


class ResultPayload(TypedDict):
    task_id: int
    output: Any
    model_used: str | None
    metrics: Metrics


def state_of(task: Task, phase: str = "") -> str:
    """The word of the state language: what a person is shown, with an icon and a colour."""
    match TaskStatus(task.status):
        case TaskStatus.BLOCKED:
            return "blocked" if task.ready_at is None else "held"
        case TaskStatus.PENDING:
            return "retrying" if task.not_before and task.attempt_count else "waiting"
        case TaskStatus.ASSIGNED | TaskStatus.RUNNING if task.cancel_requested_at:
            return "cancelling"
        case TaskStatus.ASSIGNED:
            return "starting"
        case TaskStatus.RUNNING:
            return phase if phase in (Phase.LOADING, Phase.PREFILL, Phase.GENERATING, Phase.WORKING) else "starting"
        case TaskStatus.COMPLETED if task.skipped_because:
            return "skipped"
        case ended:
            return ended.value


def tokens_per_second(task: Task) -> float | None:
    """Decode speed from Ollama's own counts."""
    if not task.output_tokens or not task.decode_seconds:
        return None
    return task.output_tokens / task.decode_seconds


def task_row(task: Task, *, progress: Progress | None = None, wait: Wait | None = None) -> TaskRow:
    live = _live(task, progress)
    return TaskRow(
        id=task.pk,
        run_id=task.run_id,
        lane_id=task.lane_id,
        version=task.version,
        title=task.title,
        type=task.type,
        status=PUBLIC_STATUS[TaskStatus(task.status)],
        state=state_of(task, live["phase"]),
        priority=task.priority,
        agent=task.agent_name,
        agent_id=task.agent_id,
        owner=owner_name(task),
        owner_id=task.owner_id,
        position=task.position,
        step=task.step,
        parent_id=task.parent_id,
        model=task.model_used or task.model_name or None,
        node=task.node_name or None,
        progress=live["progress"],
        message=live["message"],
        phase=live["phase"],
        attempts=task.attempt_count,
        attempt_id=task.attempt_id,
        tags=task.tags,
        waiting_reason=wait.sentence if wait else None,
        waiting=wait.detail if wait else None,
        error_code=task.error_code or None,
        error=task.error or None,
        prompt_tokens=task.prompt_tokens,
        output_tokens=live["output_tokens"] or task.output_tokens,
        tokens_per_second=live["tokens_per_second"] or tokens_per_second(task),
        created_at=stamp(task.created_at),
        ready_at=iso(task.ready_at),
        started_at=iso(task.started_at),
        ended_at=iso(task.ended_at),
        duration_seconds=task.duration_seconds,
    )


def _live(task: Task, progress: Progress | None) -> Progress:
    """Progress of the present attempt; a report of an earlier one or of a task that is not running does not count."""
    if progress and task.status == TaskStatus.RUNNING and progress["attempt_id"] == task.attempt_id:
        return progress
    return Progress(
        attempt_id=task.attempt_id or 0,
        phase=task.phase,
        progress=task.progress,
        message=task.message,
        output_tokens=0,
        tokens_per_second=None,
        phase_since="",
    )


def metrics(task: Task) -> Metrics:
    known = [count for count in (task.prompt_tokens, task.output_tokens) if count is not None]
    return Metrics(
        duration=task.duration_seconds,
        tokens_used=sum(known) if known else None,
        prompt_tokens=task.prompt_tokens,
        output_tokens=task.output_tokens,
        queued_seconds=task.queued_seconds,
        load_seconds=task.load_seconds,
        prefill_seconds=task.prefill_seconds,
        decode_seconds=task.decode_seconds,
        first_token_seconds=task.first_token_seconds,
        tokens_per_second=tokens_per_second(task),
    )


def output_of(task: Task) -> Any:
    """Text, the vectors of an embed task, or None while there is no result."""
    if task.status != TaskStatus.COMPLETED:
        return task.output or None
    return task.vectors if task.vectors is not None else task.output


def task_payload(task: Task, *, progress: Progress | None = None, wait: Wait | None = None) -> TaskPayload:
    live = _live(task, progress)
    return TaskPayload(
        id=task.pk,
        type=task.type,
        input=task.messages if task.messages is not None else task.input,
        output=output_of(task),
        status=PUBLIC_STATUS[TaskStatus(task.status)],
        model_name=task.model_name or task.model_used or None,
        error=task.error or None,
        created_at=stamp(task.created_at),
        completed_at=iso(task.ended_at),
        run_id=task.run_id,
        agent_id=task.agent_id,
        agent=task.agent_name,
        owner=owner_name(task),
        title=task.title,
        state=state_of(task, live["phase"]),
        priority=task.priority,
        progress=live["progress"],
        message=live["message"],
        phase=live["phase"],
        attempts=task.attempt_count,
        attempt_id=task.attempt_id,
        node=task.node_name or None,
        model_used=task.model_used or None,
        decision_reason=task.decision_reason or None,
        waiting_reason=wait.sentence if wait else None,
        waiting=wait.detail if wait else None,
        error_code=task.error_code or None,
        started_at=iso(task.started_at),
        thinking=task.thinking,
        tool_calls=task.tool_calls,
        tags=task.tags,
        client_ref=task.client_ref,
        metadata=task.metadata,
        metrics=metrics(task),
        retried_from=task.retried_from_id,
        version=task.version,
        position=task.position,
        step=task.step,
        parent_id=task.parent_id,
        skipped_because=task.skipped_because or None,
        routing_reason=task.routing_reason or None,
        fallbacks=task.fallbacks,
        preset=task.preset or None,
        passages=task.passages,
        passages_note=task.passages_note or None,
    )


def result(task: Task) -> ResultPayload:
    return ResultPayload(
        task_id=task.pk, output=output_of(task), model_used=task.model_used or None, metrics=metrics(task)
    )

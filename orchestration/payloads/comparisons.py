"""Comparisons on the wire: rows are prompts, columns are models. Names and figures of a blind row are not in it."""

from typing_extensions import TypedDict

from orchestration.models import Task
from orchestration.payloads.tasks import PUBLIC_STATUS, output_of, state_of, tokens_per_second
from orchestration.policy.states import TaskStatus


class ComparedColumn(TypedDict):
    """``node``: None where any node might answer."""

    model: str
    node: str | None


class AnswerFigures(TypedDict):
    """Speeds in tokens per second by Ollama's counts; the time to the first token without loading."""

    first_token_seconds: float | None
    prefill_rate: float | None
    decode_rate: float | None
    load_seconds: float | None
    prompt_tokens: int | None
    output_tokens: int | None
    duration_seconds: float | None


class ComparedAnswer(TypedDict):
    """``label``: A, B, … in the order shown. ``column``, ``model``, ``node`` and ``figures`` are null as long as they
    are hidden; ``votes`` is null until the one who looks has voted."""

    task_id: int
    label: str
    column: int | None
    model: str | None
    node: str | None
    status: str
    state: str
    output: str
    error: str | None
    figures: AnswerFigures | None
    votes: int | None


class ComparedRow(TypedDict):
    """``different``: null until all have ended. ``best``: by figure, the task that has the best one."""

    row: int
    prompt: str
    hidden: bool
    different: bool | None
    best: dict[str, int]
    my_vote: int | None
    answers: list[ComparedAnswer]


class ComparisonSummary(TypedDict):
    id: int
    title: str
    owner: str | None
    agent: str
    status: str
    counts: dict[str, int]
    created_at: str
    rows: int
    columns: list[ComparedColumn]


class Comparison(TypedDict):
    """``id`` is null where tasks of other runs were put side by side: such a comparison takes no votes.

    ``wins``: votes by column, over the rows on which the one who looks has voted.
    """

    id: int | None
    title: str
    owner: str | None
    agent: str | None
    status: str
    counts: dict[str, int]
    created_at: str | None
    columns: list[ComparedColumn]
    rows: list[ComparedRow]
    wins: list[int]


def figures(task: Task) -> AnswerFigures:
    whole, load = task.first_token_seconds, task.load_seconds or 0.0
    reads = task.prompt_tokens and task.prefill_seconds
    return AnswerFigures(
        first_token_seconds=None if whole is None else max(0.0, whole - load),
        prefill_rate=task.prompt_tokens / task.prefill_seconds if reads else None,  # type: ignore[operator]
        decode_rate=tokens_per_second(task),
        load_seconds=task.load_seconds,
        prompt_tokens=task.prompt_tokens,
        output_tokens=task.output_tokens,
        duration_seconds=task.duration_seconds,
    )


def answer(task: Task, *, label: str, column: int, hidden: bool, votes: int | None) -> ComparedAnswer:
    return ComparedAnswer(
        task_id=task.pk,
        label=label,
        column=None if hidden else column,
        model=None if hidden else task.model_used or task.model_name or task.lane.models[0],
        node=None if hidden else task.node_name or None,
        status=PUBLIC_STATUS[TaskStatus(task.status)],
        state=state_of(task, task.phase),
        output=_text(task),
        error=None if hidden else task.error or None,
        figures=None if hidden else figures(task),
        votes=votes,
    )


def _text(task: Task) -> str:
    found = output_of(task)
    if isinstance(found, list):
        return f"{len(found)} vector{'' if len(found) == 1 else 's'} of {len(found[0]) if found else 0} numbers"
    return str(found or "")

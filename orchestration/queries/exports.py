"""What a run has brought so far, row by row, in pages small enough to be sent on at once."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from typing_extensions import TypedDict

from orchestration.errors import Unprocessable
from orchestration.models import Run, Task
from orchestration.payloads import PUBLIC_STATUS
from orchestration.payloads.base import iso
from orchestration.payloads.tasks import tokens_per_second
from orchestration.policy.batches import Groups, Numbers
from orchestration.policy.states import TaskStatus, TaskType
from orchestration.queries.batches import asked, notes_of

TASKS_AT_ONCE = 50
EMBEDDINGS_AT_ONCE = 4
"""Tasks, each with many vectors."""
_LEFT = ("thinking", "tool_calls", "images", "tools", "options", "parameters", "template", "passages", "format")

Place = tuple[int, int]
"""(position, id) of the last task that was read."""
START: Place = (-1, 0)


class ExportRow(TypedDict):
    """``row``: its number in what was submitted. ``embedding`` is null for what is no embedding, or has none yet."""

    row: int
    task_id: int
    step: str
    client_ref: str
    type: str
    status: str
    input: str
    output: str
    embedding: list[float] | None
    error_code: str | None
    error: str | None
    model: str | None
    node: str | None
    attempts: int
    prompt_tokens: int | None
    output_tokens: int | None
    tokens_per_second: float | None
    duration_seconds: float | None
    created_at: str | None
    started_at: str | None
    ended_at: str | None
    tags: list[str]
    metadata: dict[str, Any]


class Shape(TypedDict):
    """Of the array of all vectors: one row for each text, answered or not."""

    rows: int
    dimensions: int


def export_page(run: Run, after: Place = START) -> tuple[list[ExportRow], Place | None]:
    """The rows of the next tasks, and the place to go on from; None after the last."""
    position, pk = after
    limit = EMBEDDINGS_AT_ONCE if _embeds(run) else TASKS_AT_ONCE
    rows = Task.objects.filter(run=run).filter(Q(position__gt=position) | Q(position=position, pk__gt=pk))
    tasks = list(rows.defer(*_LEFT).order_by("position", "pk")[: limit + 1])
    page = tasks[:limit]
    return _rows(run, page), (page[-1].position, page[-1].pk) if len(tasks) > limit else None


def _embeds(run: Run) -> bool:
    return Task.objects.filter(run=run, type=TaskType.EMBED).exists()


def _rows(run: Run, tasks: Iterable[Task]) -> list[ExportRow]:
    groups, numbers = Groups(run.spec.get("sizes")), Numbers(run.spec.get("skipped", ()))
    found = []
    for task in tasks:
        first = groups.first(task.position)
        found += [_row(task, numbers.of(first + offset), **part) for offset, part in enumerate(_parts(task))]
    return found


def _parts(task: Task) -> list[dict[str, Any]]:
    """What differs between the rows of one task."""
    if task.type != TaskType.EMBED:
        said = {"text": asked(task), "vector": None}
        return [{**said, "client_ref": task.client_ref, "metadata": task.metadata}]
    texts = task.input if isinstance(task.input, list) else [task.input]
    vectors = task.vectors if task.vectors and len(task.vectors) == len(texts) else [None] * len(texts)
    shared = "rows" in task.metadata and len(task.metadata["rows"]) == len(texts)
    own = {"client_ref": task.client_ref, "metadata": task.metadata}
    notes = notes_of(task, len(texts)) if shared else [own] * len(texts)
    return [{"text": text, "vector": vector, **note} for text, vector, note in zip(texts, vectors, notes, strict=True)]


def _row(
    task: Task, number: int, *, text: str, vector: list[float] | None, client_ref: str, metadata: dict[str, Any]
) -> ExportRow:
    return ExportRow(
        row=number,
        task_id=task.pk,
        step=task.step,
        client_ref=client_ref,
        type=task.type,
        status=PUBLIC_STATUS[TaskStatus(task.status)],
        input=text,
        output=task.output,
        embedding=vector,
        error_code=task.error_code or None,
        error=task.error or None,
        model=task.model_used or None,
        node=task.node_name or None,
        attempts=task.attempt_count,
        prompt_tokens=task.prompt_tokens,
        output_tokens=task.output_tokens,
        tokens_per_second=tokens_per_second(task),
        duration_seconds=task.duration_seconds,
        created_at=iso(task.created_at),
        started_at=iso(task.started_at),
        ended_at=iso(task.ended_at),
        tags=task.tags,
        metadata=metadata,
    )


def vectors_shape(run: Run) -> Shape:
    """Raises Unprocessable where the vectors of a run make no array, or there is none yet."""
    tasks = Task.objects.filter(run=run).order_by("position")
    done = tasks.filter(type=TaskType.EMBED, status=TaskStatus.COMPLETED, vectors__isnull=False)
    first = done.values_list("vectors", flat=True).first()
    if not first:
        raise Unprocessable(f"Run {run.pk} has no vectors yet.", run_id=run.pk)
    models = sorted(set(done.order_by().values_list("model_used", flat=True).distinct()))
    if len(models) > 1 or tasks.exclude(type=TaskType.EMBED).exists():
        words = f"The vectors are of {', '.join(models)}" if len(models) > 1 else "Not all of its tasks are embeddings"
        raise Unprocessable(f"{words}, so they make no array; export them as jsonl.", run_id=run.pk)
    return Shape(rows=_texts_in(run), dimensions=len(first[0]))


def _texts_in(run: Run) -> int:
    if "rows" in run.spec and not _has_lost_tasks(run):
        return int(run.spec["rows"])
    inputs = Task.objects.filter(run=run).order_by().values_list("input", flat=True).iterator(chunk_size=TASKS_AT_ONCE)
    return sum(len(texts) if isinstance(texts, list) else 1 for texts in inputs)


def _has_lost_tasks(run: Run) -> bool:
    """Somebody has deleted some."""
    sizes = run.spec.get("sizes")
    return Task.objects.filter(run=run).count() != (len(sizes) if sizes else int(run.spec["rows"]))

"""Comparisons: one in full as somebody may see it, tasks put side by side, the list."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count

from orchestration import payloads
from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Run, Task, Vote
from orchestration.payloads import comparisons as shapes
from orchestration.payloads.comparisons import (
    ComparedAnswer,
    ComparedColumn,
    ComparedRow,
    Comparison,
    ComparisonSummary,
)
from orchestration.policy.panels import HIGHER_IS_BETTER, best, letter, shuffled
from orchestration.policy.states import ENDED, RunKind, TaskStatus
from orchestration.policy.worddiff import alike
from orchestration.queries.tasks import run_counts, runs

MOST_TASKS = 12
"""Side by side, of different runs."""


@dataclass(slots=True)
class _Votes:
    """What a viewer may know: their own votes by row, and the counts of the rows they voted on, by task."""

    mine: Mapping[int, int] = field(default_factory=dict)
    counts: Mapping[int, int] = field(default_factory=dict)


def get_comparison(run_id: int) -> Run:
    run = Run.objects.select_related("owner").filter(pk=run_id, kind=RunKind.COMPARISON).first()
    if run is None:
        raise NotFound(f"There is no comparison {run_id}.")
    return run


def comparison(run_id: int, *, viewer_id: int | None, blind: bool = False) -> Comparison:
    """``blind``: names, figures and order of the columns are hidden in each row the viewer has not voted on."""
    run = get_comparison(run_id)
    columns: list[ComparedColumn] = run.spec["columns"]
    tasks = {task.position: task for task in Task.objects.filter(run=run).select_related("lane")}
    votes = _votes(run, viewer_id)
    rows = []
    for row, prompt in enumerate(run.spec["prompts"]):
        places = [(column, tasks.get(row * len(columns) + column)) for column in range(len(columns))]
        here = [(column, task) for column, task in places if task]
        order = shuffled(len(here), run_id=run.pk, voter_id=viewer_id or 0, row=row) if blind else range(len(here))
        hidden = blind and row not in votes.mine
        rows.append(_row(row, prompt, [here[at] for at in order], votes, hidden))
    summary = payloads.run(run, counts=run_counts(run_id))
    return Comparison(
        id=run.pk,
        title=run.title,
        owner=summary["owner"],
        agent=run.agent_name,
        status=summary["status"],
        counts=summary["counts"],
        created_at=summary["created_at"],
        columns=columns,
        rows=rows,
        wins=_wins(rows, len(columns)),
    )


def _votes(run: Run, viewer_id: int | None) -> _Votes:
    mine = dict(Vote.objects.filter(run=run, voter_id=viewer_id or 0).values_list("row", "task_id"))
    shown = Vote.objects.filter(run=run, row__in=mine)
    return _Votes(mine, dict(shown.order_by().values_list("task_id").annotate(Count("pk"))))


def _row(row: int, prompt: str, tasks: Sequence[tuple[int, Task]], votes: _Votes, hidden: bool) -> ComparedRow:
    voted = row in votes.mine
    answers = [
        shapes.answer(
            task,
            label=letter(place),
            column=column,
            hidden=hidden,
            votes=votes.counts.get(task.pk, 0) if voted else None,
        )
        for place, (column, task) in enumerate(tasks)
    ]
    return ComparedRow(
        row=row,
        prompt=prompt,
        hidden=hidden,
        different=_different([task for _, task in tasks]),
        best=_best(answers),
        my_vote=votes.mine.get(row),
        answers=answers,
    )


def _different(tasks: Sequence[Task]) -> bool | None:
    if any(task.status not in ENDED for task in tasks):
        return None
    return not alike([f"{task.status} {task.output}" for task in tasks])


def _best(answers: Sequence[ComparedAnswer]) -> dict[str, int]:
    known = [_figures(answer) for answer in answers]
    return {figure: answers[place]["task_id"] for figure, place in best(known).items()}


def _figures(answer: ComparedAnswer) -> dict[str, float | None]:
    """None of an answer that did not come to its end."""
    figures = answer["figures"]
    if figures is None or answer["status"] != TaskStatus.COMPLETED:
        return {}
    values: Mapping[str, Any] = figures
    return {name: values[name] for name in HIGHER_IS_BETTER}


def _wins(rows: Sequence[ComparedRow], columns: int) -> list[int]:
    wins: Counter[int] = Counter()
    for row in rows:
        for answer in row["answers"]:
            if answer["column"] is not None:
                wins[answer["column"]] += answer["votes"] or 0
    return [wins[column] for column in range(columns)]


def side_by_side(task_ids: Sequence[int]) -> Comparison:
    """Tasks of any runs as the columns of one row, in the order given. Raises InvalidInput, NotFound."""
    ids = list(dict.fromkeys(task_ids))
    if not 2 <= len(ids) <= MOST_TASKS:
        raise InvalidInput(f"Give the ids of 2 to {MOST_TASKS} tasks.", field="ids")
    found = Task.objects.select_related("lane").in_bulk(ids)
    missing = [str(pk) for pk in ids if pk not in found]
    if missing:
        raise NotFound(f"There is no task {', '.join(missing)}.")
    tasks = [found[pk] for pk in ids]
    prompts = list(dict.fromkeys(prompt_of(task) for task in tasks))
    row = _row(0, prompts[0] if len(prompts) == 1 else "", list(enumerate(tasks)), _Votes(), hidden=False)
    counts = Counter(answer["status"] for answer in row["answers"])
    return Comparison(
        id=None,
        title=f"Tasks {', '.join(map(str, ids))}",
        owner=None,
        agent=None,
        status=payloads.run_status(counts),
        counts=dict(counts),
        created_at=None,
        columns=[ComparedColumn(model=item["model"] or "", node=item["node"]) for item in row["answers"]],
        rows=[row],
        wins=[0] * len(ids),
    )


def prompt_of(task: Task) -> str:
    """What was asked, as text."""
    if task.messages is not None:
        said = [message.get("content", "") for message in task.messages if message.get("role") == "user"]
        return "\n\n".join(said)
    return task.input if isinstance(task.input, str) else "\n".join(task.input)


def comparisons(*, limit: int = 50, cursor: str | None = None) -> tuple[list[ComparisonSummary], str | None]:
    """Newest first."""
    rows, following = runs(limit=limit, cursor=cursor, kind=RunKind.COMPARISON)
    specs = dict(Run.objects.filter(pk__in=[row["id"] for row in rows]).values_list("pk", "spec"))
    return [_summary(row, specs[row["id"]]) for row in rows], following


def _summary(row: payloads.RunPayload, spec: Mapping[str, Any]) -> ComparisonSummary:
    return ComparisonSummary(
        id=row["id"],
        title=row["title"],
        owner=row["owner"],
        agent=row["agent"],
        status=row["status"],
        counts=row["counts"],
        created_at=row["created_at"],
        rows=len(spec["prompts"]),
        columns=spec["columns"],
    )

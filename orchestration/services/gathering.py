"""Answers that have completed are taken into the search, a few at a time and each once, beside the decisions."""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction

from orchestration.models import Output, OutputTag, Task, output_index
from orchestration.models.output_index import Entry
from orchestration.policy.output_marks import marks_of
from orchestration.policy.states import ErrandType, TaskStatus
from orchestration.policy.terms import words
from orchestration.queries.batches import asked
from orchestration.queries.output_facts import facts_of

AT_ONCE = 20
INDEXED_CHARACTERS = 200_000
"""Of a prompt, and of an answer."""
_READ = (
    *("owner", "agent_name", "model_used", "model_name", "node_name", "type", "ended_at", "tags", "input", "messages"),
    *("output", "tool_calls", "text_removed_at"),
)


def gather(*, seconds: float) -> int:
    """As many as can be taken in this time. Their number."""
    end = time.monotonic() + seconds
    taken = 0
    while True:
        some = gather_some()
        taken += some
        if some < AT_ONCE or time.monotonic() >= end:
            return taken


def gather_some(most: int = AT_ONCE) -> int:
    """The first that nobody has taken; what takes long is done before others wait for the transaction."""
    waiting = Task.objects.filter(status=TaskStatus.COMPLETED, gathered=False).order_by("pk")
    tasks = list(waiting.only(*_READ)[:most])
    return keep(tasks) if tasks else 0


def keep(tasks: Sequence[Task]) -> int:
    """Those of them that nobody has taken meanwhile, and whose text is still as it was read."""
    rows = [_output(task) for task in tasks if task.type not in set(ErrandType)]
    read = {task.pk: task.text_removed_at for task in tasks}
    texts = {row.pk: _texts(row.task) for row in rows if row.chars}
    with transaction.atomic():
        left = Task.objects.filter(pk__in=[task.pk for task in tasks], status=TaskStatus.COMPLETED, gathered=False)
        locked = left.select_for_update(of=("self",), no_key=True).order_by("pk")
        free = {pk for pk, removed_at in locked.values_list("pk", "text_removed_at") if removed_at == read[pk]}
        mine = [row for row in rows if row.pk in free]
        Output.objects.bulk_create(mine, ignore_conflicts=True)
        tags = [OutputTag(output=row, tag=tag) for row in mine for tag in dict.fromkeys(row.task.tags)]
        OutputTag.objects.bulk_create(tags, ignore_conflicts=True)
        output_index.put([_entry(row, *texts[row.pk]) for row in mine if row.chars])
        Task.objects.filter(pk__in=free).update(gathered=True)
    return len(free)


def _output(task: Task) -> Output:
    answer = answer_of(task)
    assert task.ended_at is not None  # every task that has ended says when
    return Output(
        task=task,
        owner_id=task.owner_id,
        agent_name=task.agent_name,
        model_name=task.model_used or task.model_name,
        node_name=task.node_name,
        type=task.type,
        ended_at=task.ended_at,
        chars=len(answer),
        has_json=has_json(task.output) or bool(task.tool_calls),
        text_removed_at=task.text_removed_at,
    )


def _texts(task: Task) -> tuple[list[str], list[str]]:
    return words(asked(task)[:INDEXED_CHARACTERS]), words(answer_of(task)[:INDEXED_CHARACTERS])


def _entry(row: Output, prompt: Sequence[str], answer: Sequence[str]) -> Entry:
    facts = facts_of(row, tags=dict.fromkeys(row.task.tags), collections=())
    return Entry(row.pk, prompt, answer, marks_of(facts))


def answer_of(task: Task) -> str:
    """What the model wrote, and the calls that it asked for."""
    return "\n".join([*([task.output] if task.output else []), *_calls(task.tool_calls)])


def _calls(calls: Iterable[Any]) -> list[str]:
    return [json.dumps(call.get("function", call), ensure_ascii=False) for call in calls]


def has_json(text: str) -> bool:
    """It is an object or a list, or has a block of it."""
    stripped = text.strip()
    if not stripped.startswith(("{", "[")):
        return "```json" in text
    try:
        return isinstance(json.loads(stripped), dict | list)
    except (ValueError, RecursionError):
        return False


def sweep() -> int:
    """Takes out of the search what is left of answers that are gone. Their number."""
    with transaction.atomic():
        return output_index.drop_orphans()

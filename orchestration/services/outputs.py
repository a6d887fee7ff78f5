"""Kept answers: what people think of them, and what goes when their text has been kept for long enough."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Attempt, Output, OutputTag, Run, Task, Turn, output_index
from orchestration.permissions import Action, Actor, require
from orchestration.policy.output_marks import marks_of
from orchestration.policy.states import ENDED, TaskType
from orchestration.queries.output_facts import current_facts
from orchestration.services import audit
from orchestration.services.announce import announce_tasks
from orchestration.services.specs import check_tags

BEST_RATING = 5
NOTE_CHARACTERS = 4_000

REMOVED_TITLE = "Text removed"
_EMPTY: dict[str, Any] = {
    "title": REMOVED_TITLE,
    "content_hash": "",
    "system_prompt": "",
    "input": "",
    "messages": None,
    "images": [],
    "passages": [],
    "template": None,
    "output": "",
    "thinking": "",
    "tool_calls": [],
    "vectors": None,
}
"""What a task is left with: its numbers, its options, and what people keep it under. Without the hash no batch takes it
for an answer that it could use again."""
_TEXTS_OF_RUNS = frozenset({"prompts", "text", "input", "messages", "system", "template", "items"})


@transaction.atomic
def edit(*, actor: Actor, task_id: int, **fields: Any) -> Output:
    """``rating`` 1 to 5 or None, ``tags``, ``note``: what is given is set. Raises NotFound, InvalidInput."""
    row = Output.objects.select_for_update(of=("self",), no_key=True).filter(pk=task_id).first()
    if row is None:
        raise NotFound(f"There is no answer of task {task_id}.")
    require(actor, Action.EDIT_OUTPUT, row)
    before = {"rating": row.rating, "note": row.note, "tags": _tags(row)}
    wanted = {name: _CHECKS[name](value) for name, value in fields.items()}
    changes = audit.changes(before, wanted)
    if not changes:
        return row
    if "rating" in changes:
        row.rating, row.rated_by_name = wanted["rating"], actor.name if wanted["rating"] else ""
    row.note = wanted.get("note", row.note)
    row.save(update_fields=["rating", "rated_by_name", "note"])
    if "tags" in changes:
        row.tags.exclude(tag__in=wanted["tags"]).delete()
        OutputTag.objects.bulk_create([OutputTag(output=row, tag=tag) for tag in wanted["tags"]], ignore_conflicts=True)
    remark([row])
    audit.record(actor, "output.changed", row, changes=changes)
    return row


def remark(rows: Iterable[Output]) -> None:
    """So that filters find them by what is true now."""
    for row in rows:
        output_index.remark(row.pk, marks_of(current_facts(row)))


def _tags(row: Output) -> list[str]:
    return list(row.tags.order_by("tag").values_list("tag", flat=True))


def _rating(value: object) -> int | None:
    if value is None or (type(value) is int and 1 <= value <= BEST_RATING):
        return value
    raise InvalidInput(f"A rating is a number from 1 to {BEST_RATING}, or nothing.", field="rating")


def _note(value: object) -> str:
    text = str(value or "").strip()
    if len(text) > NOTE_CHARACTERS:
        raise InvalidInput(f"A note has at most {NOTE_CHARACTERS:,} characters.", field="note")
    return text


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "rating": _rating,
    "note": _note,
    "tags": lambda value: sorted(check_tags(value)),
}


@transaction.atomic
def remove_text(task_ids: Iterable[int], now: datetime) -> int:
    """Removes what was asked and answered, here and in the search; the numbers stay. How many tasks had texts.

    Only tasks that have ended, each once. The caller has decided that they may go, and says so in the audit trail.
    """
    ended = Task.objects.filter(pk__in=list(task_ids), status__in=ENDED, text_removed_at=None)
    ids = list(ended.select_for_update(of=("self",), no_key=True).order_by("pk").values_list("pk", flat=True))
    if not ids:
        return 0
    rows = Task.objects.filter(pk__in=ids)
    rows.exclude(type__in=list(TaskType)).update(parameters={})  # to a type of an extension they are the question
    rows.update(**_EMPTY, text_removed_at=now, version=F("version") + 1)
    Attempt.objects.filter(task__in=ids).update(request=None)
    Turn.objects.filter(task__in=ids).update(text="", images=[], text_removed_at=now)
    kept = Output.objects.filter(pk__in=ids)
    kept.update(text_removed_at=now)
    output_index.forget_words(list(kept.values_list("pk", flat=True)))
    _remove_texts_of_runs(ids, now)
    announce_tasks(ids)
    return len(ids)


def _remove_texts_of_runs(task_ids: list[int], now: datetime) -> None:
    """What a run quotes of its tasks, once none of them has its text any more."""
    with_text = Task.objects.filter(run=OuterRef("pk"), text_removed_at=None)
    done = Run.objects.filter(~Exists(with_text), pk__in=Task.objects.filter(pk__in=task_ids).values("run"))
    for run in done.only("title", "spec", "inputs"):
        run.title = REMOVED_TITLE if run.title else ""
        run.spec = _blank(run.spec, _TEXTS_OF_RUNS)
        run.inputs = dict.fromkeys(run.inputs, "")
        run.text_removed_at = now
        run.save(update_fields=["title", "spec", "inputs", "text_removed_at"])


def _blank(value: Any, names: frozenset[str], quoted: bool = False) -> Any:
    """The same shape with every text gone that stands under one of these names."""
    if isinstance(value, dict):
        return {name: _blank(part, names, quoted or name in names) for name, part in value.items()}
    if isinstance(value, list):
        return [_blank(part, names, quoted) for part in value]
    return "" if quoted and isinstance(value, str) else value


def forget(task_ids: Iterable[int]) -> None:
    """Takes answers out of the search whose tasks are being deleted. Called by what deletes them."""
    output_index.drop(task_ids)

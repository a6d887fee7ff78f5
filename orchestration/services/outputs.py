"""Kept answers: what people think of them, and what goes when their text has been kept for long enough."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from orchestration.models import Attempt, Output, Run, Task, Turn, output_index
from orchestration.policy.states import ENDED, TaskType
from orchestration.services.announce import announce_tasks

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

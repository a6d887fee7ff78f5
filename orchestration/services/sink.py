"""Answers that go into the folder: which are left, which were written, and what is in the way."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F

from orchestration.models import FolderSink, Output, Task
from orchestration.services.fields import cut

ONLY = 1
"""The number of the one row."""
_COLUMNS = (
    *("run_id", "type", "title", "agent_name", "model_used", "model_name", "node_name", "owner__username", "tags"),
    *(
        "client_ref",
        "metadata",
        "created_at",
        "started_at",
        "ended_at",
        "input",
        "messages",
        "system_prompt",
        "options",
    ),
    *("format", "output", "thinking", "tool_calls", "prompt_tokens", "output_tokens", "queued_seconds", "load_seconds"),
    *("prefill_seconds", "decode_seconds", "first_token_seconds", "duration_seconds", "attempt_count"),
)


def unwritten(most: int) -> list[Task]:
    """The oldest answers that are not in the folder yet, with what their files say."""
    left = Output.objects.filter(written_at=None, text_removed_at=None).order_by("task_id")
    ids = list(left.values_list("task_id", flat=True)[:most])
    rows = Task.objects.filter(pk__in=ids).select_related("owner").only(*_COLUMNS)
    return list(rows.order_by("pk")) if ids else []


@transaction.atomic
def note_written(*, folder: str, task_ids: Sequence[int], files: int, now: datetime) -> None:
    """``task_ids``: also of answers without a text, for which there is no file."""
    Output.objects.filter(pk__in=task_ids).update(written_at=now)
    row = _row(folder)
    row.files = F("files") + files
    row.written_at = now if files else row.written_at
    row.problem, row.problem_since = "", None
    row.save()


@transaction.atomic
def note_problem(*, folder: str, problem: str, now: datetime) -> None:
    """Since when it is so stays as it was while the problem is the same."""
    row = _row(folder)
    if row.problem != cut(problem, 300):
        row.problem, row.problem_since = cut(problem, 300), row.problem_since or now
        row.save()


def _row(folder: str) -> FolderSink:
    row, _ = FolderSink.objects.select_for_update().get_or_create(pk=ONLY, defaults={"folder": folder})
    if row.folder != folder:
        row.folder, row.files, row.written_at = folder, 0, None
        row.problem, row.problem_since = "", None
        row.save()
    return row

"""What a row says in words."""

import pytest

from dashboard import blanks
from dashboard.templatetags.rows import deed, progress_of, when


def row(**fields):
    return {**blanks.task_row(), **fields}


@pytest.mark.parametrize(
    ("fields", "text", "share"),
    [
        ({"state": "waiting", "waiting_reason": "Agent limit 3/3"}, "Agent limit 3/3", None),
        ({"state": "starting", "node": "gpu-b"}, "Starting on gpu-b", None),
        ({"state": "waiting"}, "waits for the next free slot", None),
        ({"state": "generating", "status": "running", "output_tokens": 61, "progress": 12}, "61 tokens", 12),
        ({"state": "generating", "status": "running", "output_tokens": 1}, "1 token", None),
        ({"state": "loading", "status": "running", "message": "loading llama3.2"}, "loading llama3.2", None),
        ({"state": "prefill", "status": "running"}, "no token yet", None),
        ({"state": "completed", "output_tokens": 1200, "duration_seconds": 4.06}, "1,200 tokens in 4.1 s", None),
        (
            {"state": "completed", "type": "embed", "prompt_tokens": 9, "duration_seconds": 1},
            "9 tokens read in 1.0 s",
            None,
        ),
        ({"state": "failed", "error": "refused\ntrace"}, "refused", None),
        ({"state": "cancelled", "duration_seconds": 9}, "after 9.0 s", None),
        ({"state": "cancelled"}, "", None),
    ],
)
def test_progress_or_reason(fields, text, share):
    shown = progress_of(row(**fields))
    assert (shown.text, shown.share) == (text, share)


def test_what_is_not_known_of_the_line_is_left_out():
    assert when({"line": "3rd in line", "start": "≈40 s"}) == "3rd in line, ≈40 s"
    assert when({"line": "3rd in line", "start": ""}) == "3rd in line"
    assert when({"line": "", "start": ""}) == ""


def test_deeds_are_verbs():
    assert deed({"action": "task.cancelled", "detail": {}}) == "cancelled"
    assert deed({"action": "priority.paused", "detail": {}}) == "paused"
    assert deed({"action": "tasks.priority_changed", "detail": {}}) == "changed the priority of"
    assert deed({"action": "run.submitted", "detail": {"agent": "writer"}}) == "sent writer"
    assert deed({"action": "model_config.changed", "detail": {}}) == "model config changed"

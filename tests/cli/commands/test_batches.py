"""Batches from the command line: a file is looked at, submitted whole, followed, its results kept."""

import json

import pytest

from tests.cli.conftest import run, task

COUNTS = {"pending": 0, "running": 0, "completed": 2, "failed": 0, "cancelled": 0}
BATCH = {
    "id": 12,
    "title": "Night",
    "agent": "writer",
    "status": "completed",
    "counts": COUNTS,
    "failures": [],
    "eta": None,
    "stopped_reason": None,
    "created_at": "2026-11-21T10:00:00Z",
}


@pytest.fixture
def rows(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("name\nana\nben\n")
    return file


@pytest.fixture
def batches(server):
    server.on("POST", "batches", (202, {**BATCH, "status": "pending"}))
    server.on("GET", "runs/12", run(task(31), task(32)))
    server.on("GET", "batches/12", BATCH)
    server.on("GET", "runs/12/export", b"{}\n{}\n")
    return server


def _options(call):
    """The part of the form with the options; the file stands beside it."""
    text = call.text.decode()
    return json.loads(text.split('name="batch"')[1].split("\r\n\r\n")[1].split("\r\n")[0])


def test_a_file_is_sent_as_it_is_with_what_was_asked(drover, batches, rows):
    outcome = drover("batch", str(rows), "--agent", "writer", "--template", "Greet {{name}}, please", "--type", "chat",
                     "--max-parallel", "4", "--stop-failed-percent", "0", "--skip-done")  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    (call,) = [call for call in batches.calls if call.path == "batches"]
    assert rows.read_text() in call.text.decode()
    assert 'filename="rows.csv"' in call.text.decode()
    assert _options(call) == {
        "agent_id": "writer",
        "template": "Greet {{name}}, please",
        "type": "chat",
        "max_parallel": 4,
        "stop_failed_percent": 0.0,
        "skip_done": True,
    }
    assert outcome.stdout.endswith("Run 12 completed: 2 completed.\n")


def test_results_are_kept_in_the_form_of_the_file(drover, batches, rows, tmp_path):
    drover("batch", str(rows), "--prompt-column", "name", "--output", str(tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_bytes() == b"{}\n{}\n"
    assert batches.queries("runs/12/export") == [{"format": "csv"}]


def test_rows_come_from_stdin_too(drover, batches):
    assert drover("batch", "-", "--detach", stdin="one prompt\n").stdout.startswith("Run 12 has 2 tasks.")
    assert b"one prompt\n" in batches.calls[0].text


def test_rows_that_failed_are_told_in_groups(drover, batches, rows):
    failures = [{"code": "timeout", "rows": 1, "example": "no answer within 5 s"}]
    counts = {**COUNTS, "completed": 1, "failed": 1}
    batches.on("GET", "batches/12", {**BATCH, "status": "failed", "counts": counts, "failures": failures})
    outcome = drover("batch", str(rows))
    assert outcome.exit_code == 1
    assert "1\ttimeout\tno answer within 5 s" in outcome.stdout
    assert "Run 12 failed: 1 completed, 1 failed." in outcome.stderr


def test_a_preview_submits_nothing(drover, server, rows):
    found = {
        "rows": 2,
        "calls": 2,
        "format": "csv",
        "columns": [{"name": "Name", "placeholder": "name"}],
        "samples": [{"number": 1, "prompt": "Greet ana"}],
        "done": {"rows": 1, "runs": [3]},
        "warnings": ["Column city is not used."],
        "estimate": {"seconds": 65.0, "words": "as 12 tasks like it"},
    }
    server.on("POST", "batches/preview", found)
    outcome = drover("batch", str(rows), "--preview")
    assert "columns:     {{name}}" in outcome.stdout
    assert "── row 1\nGreet ana\n" in outcome.stdout
    assert "Warning: Column city is not used." in outcome.stderr
    assert [call.path for call in server.calls] == ["batches/preview"]


def test_a_file_that_is_not_there_is_a_misuse(drover, server, tmp_path):
    assert drover("batch", str(tmp_path / "nowhere.csv")).exit_code == 2
    assert server.calls == []


def test_batches_are_listed(drover, server):
    row = {**BATCH, "status": "running", "eta": {"seconds": 90.0}}
    server.on("GET", "batches", {"batches": [row], "next_cursor": None})
    assert drover("batches").stdout.splitlines()[1].startswith("12\trunning\tNight\twriter\t2/2\t1 min 30 s\t")

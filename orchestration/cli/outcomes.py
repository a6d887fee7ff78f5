"""How work is followed to its end and told: the same for tasks, sequences, workflows and batches."""

import sys
from pathlib import Path
from typing import Any

from orchestration.cli.failures import Misused, WorkFailed
from orchestration.cli.following import ENDED, follow
from orchestration.cli.session import Session
from orchestration.cli.text import counted, line
from orchestration.cli.views import name_of, view_for

Json = dict[str, Any]


def accompany(session: Session, run: Json, *, detach: bool) -> None:
    """Follows a run that has just been submitted, unless it is to be left alone."""
    if detach:
        submitted(session, run)
        return
    finish(session, watch_run(session, run["id"]))


def submitted(session: Session, run: Json) -> None:
    if session.out.as_json:
        session.out.json(run)
        return
    total = sum((run.get("counts") or {}).values()) or len(run.get("tasks") or run.get("steps") or [])
    session.out.say(f"Run {run['id']} has {counted(total, 'task')}. See it: drover watch --run {run['id']}")


def watch_run(session: Session, run_id: int, *, outputs: bool = True) -> Json:
    """``outputs``: whether what each task wrote is shown as well."""
    view, around = view_for(session.out, outputs=outputs)
    with around:
        return follow(session.client, run_id, view)


def finish(session: Session, run: Json) -> None:
    """The last word on a run; WorkFailed where it did not complete."""
    if session.out.as_json:
        session.out.json(run)
    if run["status"] != "completed":
        raise WorkFailed(f"Run {run['id']} {_how(run)}", _what_next(run))
    if not session.out.as_json:
        session.out.say(f"Run {run['id']} completed: {_numbers(run)}.", "green")


def finish_task(session: Session, task: Json) -> None:
    if session.out.as_json:
        session.out.json(task)
    if task["status"] != "completed":
        reason = f": {line(task['error'])}" if task.get("error") else "."
        again = f"Try it again: drover retry {task['id']}"
        raise WorkFailed(f"Task {task['id']} {_past(task['status'])}{reason}", again)


def progress(run: Json) -> str:
    """``3/5, 1 failed``."""
    counts = run["counts"]
    failed = f", {counts['failed']:,} failed" if counts.get("failed") else ""
    return f"{counts.get('completed', 0):,}/{sum(counts.values()):,}{failed}"


def saved(session: Session, path: str, output: Path | None, **params: Any) -> None:
    """A download, to a file or to stdout. The file is there when it is whole."""
    with session.client.download(path, **params) as pieces:
        if output is None:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        unfinished = output.with_name(f"{output.name}.part")
        try:
            with unfinished.open("wb") as file:
                file.writelines(pieces)
            unfinished.replace(output)
        except OSError as error:
            raise Misused(f"{output} cannot be written: {error.strerror}.") from error
    session.out.note(f"{output} has {counted(output.stat().st_size, 'byte')}.")


def _how(run: Json) -> str:
    reason = line(run.get("stopped_reason") or run.get("error") or "")
    bad = next((task for task in run.get("tasks", []) if task["status"] == "failed"), None)
    if bad is not None and not reason:
        reason = f"task {bad['id']} ({name_of(bad)}): {line(bad.get('error') or 'failed')}"
    return _past(run["status"]) + (f": {reason}" if reason else f": {_numbers(run)}.")


def _what_next(run: Json) -> str:
    return f"Try again what failed: drover retry --run {run['id']}" if run["status"] == "failed" else ""


def _past(status: str) -> str:
    return {"failed": "failed", "cancelled": "was cancelled", "paused": "is paused"}.get(status, f"is {status}")


def _numbers(run: Json) -> str:
    counts = run.get("counts") or {}
    parts = [f"{counts[word]:,} {word}" for word in (*ENDED, "running", "pending") if counts.get(word)]
    return ", ".join(parts) or "nothing to do"

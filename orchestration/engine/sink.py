"""Writing answers into a folder: one for each model, in it a file with the answer and one with all that is known of it.

Every path is taken relative to an open folder and no symbolic link is followed, so that nothing is written elsewhere.
"""

import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from orchestration.models import Task
from orchestration.payloads import iso
from orchestration.policy.file_names import folder_of, stem_of
from orchestration.services import sink

log = logging.getLogger(__name__)

AT_ONCE = 50
AGAIN_SECONDS = 60.0
"""The rest after something was in the way, a full disk for example."""
PART = ".part"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Sink:
    """``clock``: of the rest after a problem."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._not_before = 0.0
        self._swept: set[str] = set()

    def write(self, go_on: Callable[[], bool]) -> int:
        """What is left to write, while ``go_on`` says so. The number of answers."""
        folder, count = settings.DROVER_SINK_FOLDER, 0
        if folder is None or self._clock() < self._not_before:
            return 0
        while go_on():
            tasks = sink.unwritten(AT_ONCE)
            if not tasks:
                break
            count += self._batch(folder, tasks)
            if self._clock() < self._not_before:
                break
        return count

    def _batch(self, folder: Path, tasks: list[Task]) -> int:
        done: list[int] = []
        files = 0
        try:
            folder.mkdir(exist_ok=True)  # not what is above it: that may be a disk which is not there just now
            with opened(folder) as root:
                for task in tasks:
                    files += self._one(root, task)
                    done.append(task.pk)
        except OSError as error:
            self._not_before = self._clock() + AGAIN_SECONDS
            problem = f"{error.strerror or error}: {error.filename or folder}"
            log.warning("answers are not written into %s: %s; it is tried again", folder, problem)
            if done:
                sink.note_written(folder=str(folder), task_ids=done, files=files, now=timezone.now())
            sink.note_problem(folder=str(folder), problem=problem, now=timezone.now())
            return len(done)
        sink.note_written(folder=str(folder), task_ids=done, files=files, now=timezone.now())
        return len(done)

    def _one(self, root: int, task: Task) -> bool:
        """False for what has no text to write, such as vectors."""
        if not task.output:
            return False
        name = folder_of(task.model_used or task.model_name)
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=root)
        with opened(name, root) as folder:
            if name not in self._swept:
                sweep(folder)
                self._swept.add(name)
            stem = stem_of(task.pk, task.title)
            put(
                folder,
                f"{stem}.json",
                json.dumps(facts(task, f"{stem}.md"), ensure_ascii=False, indent=2).encode("utf-8", "replace"),
            )
            put(folder, f"{stem}.md", task.output.encode("utf-8", "replace"))
            os.fsync(folder)
        return True


@contextlib.contextmanager
def opened(path: str | Path, root: int | None = None) -> Iterator[int]:
    folder = os.open(path, _FOLDER if root is not None else os.O_RDONLY | os.O_DIRECTORY, dir_fd=root)
    try:
        yield folder
    finally:
        os.close(folder)


def put(folder: int, name: str, data: bytes) -> None:
    """Whole or not at all: under another name until it is on the disk."""
    part = f".{secrets.token_hex(8)}{PART}"
    file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644, dir_fd=folder)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part, dir_fd=folder)
        raise


def sweep(folder: int) -> None:
    """Takes away what a process that was killed left half written."""
    for name in os.listdir(folder):
        if name.startswith(".") and name.endswith(PART):
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=folder)


_PLAIN = ("run_id", "type", "title", "client_ref", "tags", "metadata", "system_prompt", "messages", "options", "format")
_FIGURES = (
    *("prompt_tokens", "output_tokens", "queued_seconds", "load_seconds", "prefill_seconds", "decode_seconds"),
    *("first_token_seconds", "duration_seconds"),
)


def facts(task: Task, file: str) -> dict[str, Any]:
    """All that is known of an answer, beside its own text, which ``file`` has."""
    return {
        "task_id": task.pk,
        "file": file,
        "agent": task.agent_name,
        "model": task.model_used or task.model_name,
        "node": task.node_name,
        "owner": task.owner.username if task.owner else None,
        **{name: iso(getattr(task, name)) for name in ("created_at", "started_at", "ended_at")},
        "prompt": task.input,
        **{name: getattr(task, name) for name in _PLAIN},
        "thinking": task.thinking,
        "tool_calls": task.tool_calls,
        "attempts": task.attempt_count,
        "metrics": {name: getattr(task, name) for name in _FIGURES},
    }

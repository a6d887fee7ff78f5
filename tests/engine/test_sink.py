"""The folder of answers: whole files, each once, never anywhere else, and later again when something is in the way."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from orchestration.engine import sink
from orchestration.engine.sink import AGAIN_SECONDS, PART, Sink
from orchestration.models import FolderSink, Output, Run, Task
from orchestration.policy.states import TaskStatus
from orchestration.queries import retention as queries

pytestmark = pytest.mark.usefixtures("redis_server")
Answered = Callable[..., Task]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.DROVER_SINK_FOLDER = tmp_path / "answers"
    return tmp_path / "answers"


@pytest.fixture
def answered(submit: Callable[..., Run]) -> Answered:
    """A kept answer."""

    def make(prompt: str = "Name a river!", output: str = "The Elbe.", **fields: Any) -> Task:
        task = submit(prompt).tasks.get()
        now = timezone.now()
        kept = {"model_used": "llama3.2:latest", "node_name": "gpu-a", "output": output, "ended_at": now}
        Task.objects.filter(pk=task.pk).update(status=TaskStatus.COMPLETED, **{**kept, **fields})
        Output.objects.create(task=task, agent_name="writer", type="generate", ended_at=now)
        return task

    return make


def always() -> bool:
    return True


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_answer_is_a_file_and_what_is_known_of_it_another(folder: Path, clock: Clock, answered: Answered) -> None:
    task = answered(output="The **Elbe**.\n", output_tokens=5)
    assert Sink(clock).write(always) == 1
    stem = f"llama3.2@latest/{task.pk}-name-a-river"
    assert files(folder) == [f"{stem}.json", f"{stem}.md"]
    assert (folder / f"{stem}.md").read_text() == "The **Elbe**.\n"
    told = json.loads((folder / f"{stem}.json").read_text())
    assert (told["task_id"], told["file"], told["prompt"]) == (task.pk, f"{task.pk}-name-a-river.md", "Name a river!")
    assert (told["model"], told["node"], told["agent"], told["owner"]) == ("llama3.2:latest", "gpu-a", "writer", "bob")
    assert told["metrics"]["output_tokens"] == 5
    assert told["ended_at"].endswith("Z")


def test_each_is_written_once_and_what_comes_later_later(folder: Path, clock: Clock, answered: Answered) -> None:
    answered()
    assert Sink(clock).write(always) == 1
    for path in folder.rglob("*.md"):
        path.unlink()
    answered("Name a lake.")
    assert Sink(clock).write(always) == 1
    assert [name.split("-", 1)[1] for name in files(folder) if name.endswith(".md")] == ["name-a-lake.md"]
    told = queries.sink()
    assert told is not None
    assert (told["folder"], told["files"], told["problem"]) == (str(folder), 2, None)
    assert told["written_at"] is not None


def test_there_is_no_folder_unless_it_is_wished(settings: Any, clock: Clock, answered: Answered) -> None:
    settings.DROVER_SINK_FOLDER = None
    answered()
    assert Sink(clock).write(always) == 0
    assert queries.sink() is None
    assert Output.objects.get().written_at is None


def test_what_has_no_text_is_not_tried_again(folder: Path, clock: Clock, answered: Answered) -> None:
    answered(output="")
    assert Sink(clock).write(always) == 1
    assert files(folder) == []
    assert Sink(clock).write(always) == 0


def test_what_retention_took_is_not_written(folder: Path, clock: Clock, answered: Answered) -> None:
    answered()
    Output.objects.update(text_removed_at=timezone.now())
    assert Sink(clock).write(always) == 0


def test_models_names_lead_nowhere_else(folder: Path, clock: Clock, answered: Answered, tmp_path: Path) -> None:
    answered("../../../up", model_used="../../out")
    answered("x", model_used="..")
    Sink(clock).write(always)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers"]
    assert len(files(folder)) == 4


def test_a_link_that_leads_out_of_the_folder_is_not_followed(
    folder: Path, clock: Clock, answered: Answered, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir()
    (folder / "llama3.2@latest").symlink_to(tmp_path / "elsewhere")
    answered()
    assert Sink(clock).write(always) == 0
    assert list((tmp_path / "elsewhere").iterdir()) == []
    told = queries.sink()
    assert told is not None
    assert "llama3.2@latest" in str(told["problem"])


def test_a_full_disk_is_told_and_tried_again_later(
    folder: Path, clock: Clock, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = answered("one"), answered("two")
    put = sink.put

    def full(place: int, name: str, data: bytes) -> None:
        if name.startswith(str(second.pk)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        put(place, name, data)

    monkeypatch.setattr(sink, "put", full)
    writer = Sink(clock)
    assert writer.write(always) == 1
    assert Output.objects.get(task=first).written_at is not None
    row = FolderSink.objects.get()
    assert (row.problem, row.files) == (f"No space left on device: {folder}", 1)
    since = row.problem_since
    monkeypatch.setattr(sink, "put", put)
    assert writer.write(always) == 0
    clock.now += AGAIN_SECONDS
    assert writer.write(always) == 1
    row.refresh_from_db()
    assert (row.problem, row.problem_since, row.files) == ("", None, 2)
    assert since is not None


def test_a_folder_above_which_nothing_is_is_not_made_up(settings: Any, tmp_path: Path, answered: Answered) -> None:
    settings.DROVER_SINK_FOLDER = tmp_path / "mounted" / "answers"
    answered()
    assert Sink().write(always) == 0
    assert "No such file or directory" in FolderSink.objects.get().problem
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_breaks_off_leaves_nothing_behind(
    folder: Path, clock: Clock, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered()

    def broken(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    assert Sink(clock).write(always) == 0
    assert files(folder) == []


def test_what_a_killed_process_left_is_swept_away(folder: Path, clock: Clock, answered: Answered) -> None:
    place = folder / "llama3.2@latest"
    place.mkdir(parents=True)
    (place / f".0123{PART}").write_text("half")
    (place / "notes.txt").write_text("somebody's own")
    answered()
    Sink(clock).write(always)
    assert [path.name for path in sorted(place.iterdir()) if path.suffix not in (".md", ".json")] == ["notes.txt"]


def test_it_stops_between_batches(
    folder: Path, clock: Clock, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "AT_ONCE", 1)
    answered("one"), answered("two")
    answers = iter([True, False])
    assert Sink(clock).write(lambda: next(answers)) == 1
    assert Sink(clock).write(always) == 1


def test_another_folder_counts_from_nought(
    folder: Path, clock: Clock, answered: Answered, settings: Any, tmp_path: Path
) -> None:
    answered()
    Sink(clock).write(always)
    settings.DROVER_SINK_FOLDER = tmp_path / "other"
    told = queries.sink()
    assert told is not None
    assert (told["files"], told["written_at"]) == (0, None)
    answered("two")
    Sink(clock).write(always)
    assert FolderSink.objects.get().files == 1

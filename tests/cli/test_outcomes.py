"""How work ends decides the exit status, and the last words say what next."""

import pytest

from orchestration.cli.failures import Misused, WorkFailed
from orchestration.cli.outcomes import accompany, finish, finish_task, progress, saved, submitted
from orchestration.cli.session import Flags, Session

from .conftest import KEY, run, task


@pytest.fixture
def session(server):
    session = Session(Flags(server.url, KEY))
    yield session
    session.close()


@pytest.fixture
def as_json(server):
    session = Session(Flags(server.url, KEY, as_json=True))
    yield session
    session.close()


def test_a_run_that_completed_is_told_with_its_numbers(session, capsys):
    finish(session, run(task(31), task(32)))
    assert capsys.readouterr().out == "Run 12 completed: 2 completed.\n"


def test_a_run_that_failed_names_the_task_and_how_to_go_on(session):
    bad = task(32, status="failed", step="code", error="the node died")
    with pytest.raises(WorkFailed, match=r"Run 12 failed: task 32 \(code\): the node died") as caught:
        finish(session, run(task(31), bad))
    assert caught.value.hint == "Try again what failed: drover retry --run 12"


def test_a_run_that_was_stopped_says_why(session):
    stopped = run(task(31, status="cancelled"), stopped_reason="more than 10 % failed")
    with pytest.raises(WorkFailed, match="was cancelled: more than 10 % failed"):
        finish(session, stopped)


def test_for_scripts_the_payload_comes_even_when_it_failed(as_json, capsys):
    failed = run(task(31, status="failed"))
    with pytest.raises(WorkFailed):
        finish(as_json, failed)
    assert '"status": "failed"' in capsys.readouterr().out


def test_a_task_that_did_not_complete_is_a_failure(session):
    finish_task(session, task())
    with pytest.raises(WorkFailed, match="Task 31 failed: no model"):
        finish_task(session, task(status="failed", error="no model"))


def test_detached_work_says_how_to_see_it(session, server, capsys):
    accompany(session, run(task(31), task(32)), detach=True)
    assert capsys.readouterr().out == "Run 12 has 2 tasks. See it: drover watch --run 12\n"
    submitted(session, {"id": 13, "steps": [{}]})
    assert "Run 13 has 1 task." in capsys.readouterr().out
    assert server.calls == []


def test_work_is_followed_to_its_end(session, server, capsys):
    server.on("GET", "runs/12", run(task(31)))
    accompany(session, run(task(31, status="pending")), detach=False)
    assert capsys.readouterr().out.splitlines()[1:] == ["Hello!", "Run 12 completed: 1 completed."]


def test_progress_in_few_words():
    assert progress(run(task(), task(status="failed"), task(status="running"))) == "1/3, 1 failed"


def test_a_download_is_there_when_it_is_whole(session, server, tmp_path, capsys):
    server.on("GET", "runs/12/export", b"a,b\n")
    saved(session, "runs/12/export", tmp_path / "results.csv", format="csv")
    assert (tmp_path / "results.csv").read_bytes() == b"a,b\n"
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]
    assert "has 4 bytes" in capsys.readouterr().err
    with pytest.raises(Misused, match="cannot be written"):
        saved(session, "runs/12/export", tmp_path / "nowhere" / "x.csv")

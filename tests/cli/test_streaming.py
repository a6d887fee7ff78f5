"""The text of a task as it comes: nothing twice, nothing lost, a broken connection taken up again."""

import asyncio
import io

import pytest
from rich.console import Console

from orchestration.cli import streaming
from orchestration.cli.client import Client
from orchestration.cli.configuration import Settings
from orchestration.cli.failures import Refused, Unreachable
from orchestration.cli.printing import Printer
from orchestration.cli.streaming import Feed, Writer, stream_task, where

from .conftest import KEY, FakeDrover, task, without_codes


def text(piece, offset=0):
    return {"type": "text", "offset": offset, "text": piece}


def state(word, **fields):
    empty = {"message": "", "node": None, "model": None, "waiting_reason": None}
    return {"type": "state", "state": word, **empty, **fields}


ATTEMPT = {"type": "attempt", "attempt_id": 7, "number": 2}


@pytest.fixture
def client(server: FakeDrover):
    client = Client(Settings(server.url, KEY))
    yield client
    client.close()


def test_in_a_pipe_there_is_the_text_and_nothing_else(client, server, capsys):
    lines = [text(""), state("loading"), text("Hel"), text("lo\x1b[3", 3), text("1m!", 8), task()]
    server.on("GET", "tasks/31/stream", lambda call: (200, iter(lines)))
    assert stream_task(client, Printer(), 31)["status"] == "completed"
    assert capsys.readouterr() == ("Hello!\n", "")


def test_for_scripts_nothing_is_written_on_the_way(client, server, capsys):
    server.on("GET", "tasks/31/stream", lambda call: (200, iter([text("Hello!"), task()])))
    stream_task(client, Printer(as_json=True), 31)
    assert capsys.readouterr() == ("", "")


def test_another_try_begins_the_text_anew_and_says_so(client, server, capsys):
    lines = [text("Hal"), ATTEMPT, text("Hello!"), task()]
    server.on("GET", "tasks/31/stream", lambda call: (200, iter(lines)))
    stream_task(client, Printer(), 31)
    written = capsys.readouterr()
    assert written.out == "Hal\nHello!\n"
    assert "anew" in written.err


def test_after_a_lost_connection_only_what_is_new_is_written(client, server, capsys):
    server.on(
        "GET",
        "tasks/31/stream",
        lambda call: (200, iter([text("Hel")])),
        lambda call: (200, iter([text("Hello!"), task()])),
    )
    stream_task(client, Printer(), 31)
    assert capsys.readouterr().out == "Hello!\n"


def test_a_connection_that_stays_lost_is_given_up(client, server, monkeypatch):
    monkeypatch.setattr(streaming, "PATIENCE_SECONDS", 0)
    server.on("GET", "tasks/31/stream", (502, b"gone"))
    with pytest.raises(Unreachable):
        asyncio.run(streaming.until_end(client, 31, lambda told: None))


def test_a_task_that_does_not_exist_is_no_lost_connection(client, server):
    server.refuse("GET", "tasks/99/stream", 404, "not_found", "There is no task 99.")
    with pytest.raises(Refused, match="no task 99"):
        stream_task(client, Printer(), 99)


def test_a_terminal_says_what_is_going_on_until_the_first_token():
    out = Printer()
    screen = io.StringIO()
    out.console = Console(file=screen, force_terminal=True, force_interactive=True, width=80, markup=False)
    with Writer(out) as writer:
        for told in (state("waiting", waiting_reason="[bold]busy[/] 4/4 on gpu-a"), state("loading", model="llama3.2")):
            writer.take(told)
            writer._status.renderable.update()
            out.console.print(writer._status.renderable.text)
        writer.take(text("Hello!"))
    shown = without_codes(screen.getvalue())
    assert "waits  [bold]busy[/] 4/4 on gpu-a" in shown
    assert "loads the model  llama3.2" in shown


def test_a_feed_keeps_the_end_of_the_text_of_the_last_try():
    feed = Feed()
    for told in (text("x" * 10_000), text("end", 10_000), state("generating", model="llama3.2", node="gpu-a")):
        feed.take(told)
    assert len(feed.text) == streaming.KEPT
    assert feed.text.endswith("xend")
    assert (feed.state, feed.detail) == ("generating", "llama3.2 on gpu-a")
    for told in (ATTEMPT, text("new")):
        feed.take(told)
    assert feed.text == "new"


def test_where_it_runs_or_why_it_waits():
    assert where(state("x", node="gpu-a", model="m")) == "m on gpu-a"
    assert where(state("x", model="m", waiting_reason="busy")) == "busy"
    assert where(state("x")) == ""

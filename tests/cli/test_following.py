"""A run is followed to its end, through lost connections, with the text of those that run."""

import threading

import pytest

from orchestration.cli import following
from orchestration.cli.client import Client
from orchestration.cli.configuration import Settings
from orchestration.cli.failures import Unreachable
from orchestration.cli.following import LARGE, Follower, follow

from .conftest import KEY, FakeDrover, run, task


class Seen:
    """A view that remembers."""

    def __init__(self, wants_text=False):
        self.wants_text = wants_text
        self.looks = []
        self.lost_words = []
        self.redraws = 0

    def look(self, run, tasks, feeds):
        self.looks.append(
            (run["status"], [item["id"] for item in tasks], {pk: feed.text for pk, feed in feeds.items()})
        )

    def redraw(self):
        self.redraws += 1

    def lost(self, words):
        self.lost_words.append(words)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)


@pytest.fixture
def client(server: FakeDrover):
    client = Client(Settings(server.url, KEY))
    yield client
    client.close()


def _stages(server, *stages):
    """Each look at the run sees the next of these; the short form has no tasks."""
    waiting = list(stages)

    def answer(call):
        found = waiting.pop(0) if len(waiting) > 1 and call.query.get("tasks") != "false" else waiting[0]
        short = {name: value for name, value in found.items() if name != "tasks"}
        return 200, short if call.query.get("tasks") == "false" else found

    server.on("GET", "runs/12", answer)


def test_it_looks_until_the_run_has_ended(client, server):
    pending, running, done = task(31, status="pending"), task(31, status="running"), task(31)
    _stages(server, run(pending), run(running), run(done))
    view = Seen()
    assert follow(client, 12, view)["status"] == "completed"
    assert [status for status, _, _ in view.looks] == ["running", "running", "completed"]
    assert view.redraws == 2 * following.REDRAWS


def test_of_a_large_run_only_the_numbers_are_asked(client, server):
    many = {"pending": 0, "running": 1, "completed": LARGE, "failed": 0, "cancelled": 0}
    _stages(server, run(counts=many, status="running"))
    server.on("GET", "tasks", lambda call: _last_look(server, many))
    view = Seen()
    follow(client, 12, view)
    assert view.looks[0] == ("running", [77], {})
    assert {call.query.get("tasks") for call in server.calls if call.path == "runs/12"} == {"false"}
    assert server.queries("tasks")[0] == {"run": "12", "status": "running", "limit": "8"}


def _last_look(server, counts):
    _stages(server, run(counts={**counts, "running": 0, "completed": LARGE + 1}, status="completed"))
    return 200, {"tasks": [task(77, status="running")]}


def test_the_text_of_those_that_run_is_read_along(client, server):
    class Reader(Seen):
        def saw(self, text):
            return any(text in feeds.values() for _, _, feeds in self.looks)

    def answer(call):
        return 200, run(task(31)) if view.saw("Hello") else run(task(31, status="running"))

    view = Reader(wants_text=True)
    server.on("GET", "runs/12", answer)
    server.on(
        "GET", "tasks/31/stream", lambda call: (200, iter([{"type": "text", "offset": 0, "text": "Hello"}, task()]))
    )
    follow(client, 12, view)
    assert view.saw("Hello")
    assert view.looks[-1][2] == {}
    assert len(server.queries("tasks/31/stream")) == 1


def test_a_lost_connection_is_tried_again(client, server):
    server.on("GET", "runs/12", (502, b"gone"), run(task(31)))
    view = Seen()
    assert follow(client, 12, view)["status"] == "completed"
    assert "502" in view.lost_words[0]


def test_one_that_stays_lost_is_given_up(client, server, monkeypatch):
    monkeypatch.setattr(following, "PATIENCE_SECONDS", 0)
    server.on("GET", "runs/12", (502, b"gone"))
    with pytest.raises(Unreachable):
        follow(client, 12, Seen())


def test_whoever_interrupts_is_told_that_the_run_goes_on(client, server, monkeypatch):
    async def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(Follower, "until_end", interrupted)
    with pytest.raises(KeyboardInterrupt, match="Run 12 goes on"):
        follow(client, 12, Seen())


def test_no_reader_is_left_behind(client, server):
    reading, over = threading.Event(), threading.Event()

    def endless(call):
        reading.set()
        yield {"type": "text", "offset": 0, "text": "a"}
        over.wait(20)

    server.on("GET", "tasks/31/stream", lambda call: (200, endless(call)))
    server.on(
        "GET", "runs/12", lambda call: (200, run(task(31)) if reading.is_set() else run(task(31, status="running")))
    )
    assert follow(client, 12, Seen(wants_text=True))["status"] == "completed"
    over.set()

"""What RQ is told, in batches, and again when Redis was away."""

import threading

import pytest
import redis

from orchestration.engine import clerk as clerk_module
from orchestration.engine.clerk import Clerk
from orchestration.engine.handles import Outcome
from tests.engine.conftest import wait_until


class RecordingBooks:
    """Books that can be taken away and given back."""

    def __init__(self):
        self.closed, self.beats = [], 0
        self.away = threading.Event()

    def close(self, ended, still_running):
        self._check()
        self.closed.append([handle for handle, _ in ended])

    def beat(self, running):
        self._check()
        self.beats += 1

    def maintain_if_due(self):
        self._check()

    def _check(self):
        if self.away.is_set():
            raise redis.ConnectionError("away")


@pytest.fixture
def books():
    return RecordingBooks()


@pytest.fixture
def clerk(books, monkeypatch):
    monkeypatch.setattr(clerk_module, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(clerk_module, "PAUSE_SECONDS", 0.01)
    clerk = Clerk(books, running=list)
    yield clerk
    clerk.close(5)
    assert not clerk.alive


def told(books):
    return [handle for batch in books.closed for handle in batch]


def test_those_that_end_together_are_told_together(clerk, books):
    for number in range(300):
        clerk.ended(number, Outcome())
    clerk.start()
    wait_until(lambda: len(told(books)) == 300)
    assert told(books) == list(range(300))
    assert [len(batch) for batch in books.closed] == [128, 128, 44]


def test_the_heartbeat_goes_on_while_nothing_ends(clerk, books):
    clerk.start()
    wait_until(lambda: books.beats > 3)
    assert books.closed == []


def test_the_heartbeat_goes_on_while_much_ends(clerk, books):
    clerk.start()
    for number in range(20):
        clerk.ended(number, Outcome())
        wait_until(lambda number=number: books.beats > number)
    assert len(told(books)) == 20


def test_what_could_not_be_told_is_told_later(clerk, books):
    books.away.set()
    clerk.start()
    for number in range(5):
        clerk.ended(number, Outcome())
    wait_until(lambda: clerk._away)
    books.away.clear()
    wait_until(lambda: told(books) == [0, 1, 2, 3, 4])


def test_of_too_many_the_latest_are_kept(clerk, books, monkeypatch):
    monkeypatch.setattr(clerk_module, "ENDED_KEPT", 3)
    books.away.set()
    for number in range(5):
        clerk.ended(number, Outcome())
    clerk.start()
    wait_until(lambda: clerk._away)
    books.away.clear()
    wait_until(lambda: told(books) == [2, 3, 4])


def test_closing_tells_what_waits(clerk, books):
    clerk.start()
    for number in range(200):
        clerk.ended(number, Outcome())
    clerk.close(5)
    assert told(books) == list(range(200))

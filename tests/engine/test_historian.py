"""The historian: samples wait for the database, and are written once each."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from orchestration import queries
from orchestration.engine.historian import MOST_HELD, Historian
from orchestration.models import LoadChunk, LoadMark, Node
from orchestration.policy.series import LEVELS, SECONDS, unpacked
from orchestration.queries.status import SCHEDULER_ROLE
from orchestration.services import history, processes

NOW = timezone.now()


@pytest.fixture(autouse=True)
def _leads(db: None, redis_server: object) -> None:
    processes.hold_role(role=SCHEDULER_ROLE, holder="me", lease=timedelta(minutes=5))
    for level in LEVELS:  # a history that begins now begins at the whole hour, which may be after what is noted
        LoadMark.objects.create(level=level.number, until_at=NOW - timedelta(minutes=30))


def _noted(historian: Historian, *seconds: float) -> None:
    now = timezone.now()
    for second in seconds:
        historian.note(now - timedelta(seconds=second), queries.load_sample(now))


def _samples() -> float:
    chunks = LoadChunk.objects.filter(level=SECONDS.number, series__node=None, series__model_name="")
    return sum(unpacked(SECONDS.points, bytes(chunk.head)).total().get("samples", 0) for chunk in chunks)


def test_samples_are_written_together_and_once(node: Node) -> None:
    historian = Historian("me")
    _noted(historian, 3, 2, 1)
    historian.write()
    historian.write()
    assert _samples() == 3


def test_a_database_that_is_away_gets_them_later(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    historian = Historian("me")
    _noted(historian, 3, 2)

    def refuse(**_: Any) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(history, "record", refuse)
        with pytest.raises(OperationalError):
            historian.write()
    _noted(historian, 1)
    historian.write()
    assert _samples() == 3


def test_what_was_written_is_not_written_again_where_what_follows_fails(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    historian = Historian("me")
    _noted(historian, 3, 2, 1)

    def refuse(*_: Any) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(history._Keeper, "roll", refuse)
        with pytest.raises(OperationalError):
            historian.write()
    historian.write()
    assert _samples() == 3


def test_a_sample_knows_the_one_before_it_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(history, "record", lambda samples, **_: seen.extend(samples))
    historian = Historian("me")
    _noted(historian, 100, 3, 2)
    historian.write()
    first, second, third = seen
    assert (first.before, second.before) == (None, None)
    assert third.before.at == second.at
    assert third.before.before is None


def test_not_more_is_held_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(history, "record", lambda samples, **_: seen.extend(samples))
    historian = Historian("me")
    sample = queries.load_sample(NOW)
    for second in range(MOST_HELD + 5):
        historian.note(NOW + timedelta(seconds=second), sample)
    historian.write()
    assert len(seen) == MOST_HELD
    assert seen[-1].at == NOW + timedelta(seconds=MOST_HELD + 4)


def test_who_no_longer_leads_tells_nothing(node: Node) -> None:
    historian = Historian("another")
    _noted(historian, 2, 1)
    historian.write()
    assert _samples() == 0
    mine = Historian("me")
    _noted(mine, 2, 1)
    mine.forget()
    mine.write()
    assert _samples() == 0

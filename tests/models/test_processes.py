"""Roles and workers: a row for each name, and a fence that never runs out."""

from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from orchestration.models import RoleLease, WorkerProcess
from tests.models.conftest import Refused

NOW = timezone.now()


def worker(name: str, **fields: Any) -> WorkerProcess:
    kept = {"hostname": "here", "pid": 1, "capacity": 10, "started_at": NOW, "seen_at": NOW}
    return WorkerProcess.objects.create(name=name, **{**kept, **fields})


def test_a_role_is_one_row_whoever_holds_it(db: None, refused: Refused) -> None:
    RoleLease.objects.create(role="scheduler", holder="one", until=NOW)
    with refused():
        RoleLease.objects.create(role="scheduler", holder="two", until=NOW)
    RoleLease.objects.create(role="another", holder="two", until=NOW)
    assert RoleLease.objects.get(role="scheduler").holder == "one"


def test_of_two_that_take_an_ended_lease_one_gets_it(db: None) -> None:
    RoleLease.objects.create(role="scheduler", holder="gone", fence=4, until=NOW - timedelta(seconds=1))
    ended = RoleLease.objects.filter(role="scheduler", until__lt=NOW)
    until = NOW + timedelta(seconds=10)
    taken = [ended.update(holder=name, fence=F("fence") + 1, until=until) for name in ("one", "two")]
    lease = RoleLease.objects.get()
    assert (taken, lease.holder, lease.fence) == ([1, 0], "one", 5)


def test_the_fence_has_room_for_more_holders_than_there_will_be(db: None) -> None:
    RoleLease.objects.create(role="scheduler", fence=2**40, until=NOW)
    RoleLease.objects.update(fence=F("fence") + 1)
    assert RoleLease.objects.get().fence == 2**40 + 1


def test_the_fence_never_falls_below_zero(db: None, refused: Refused) -> None:
    with refused():
        RoleLease.objects.create(role="scheduler", fence=-1, until=NOW)


def test_a_role_says_who_holds_it() -> None:
    assert str(RoleLease(role="scheduler", holder="host:1")) == "scheduler held by host:1"
    assert str(RoleLease(role="scheduler")) == "scheduler held by nobody"


def test_a_worker_has_a_name_of_its_own(db: None, refused: Refused) -> None:
    worker("host:1")
    with refused():
        worker("host:1", pid=2)
    assert str(worker("host:2", pid=1)) == "host:2"


def test_workers_are_listed_by_name_idle_until_they_say_otherwise(db: None) -> None:
    for name in ("host:2", "host:1"):
        worker(name)
    rows = WorkerProcess.objects.values_list("name", "in_use", "stopping")
    assert list(rows) == [("host:1", 0, False), ("host:2", 0, False)]

"""Workers' heartbeats, and roles that one process holds at a time."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from orchestration.models import RoleLease, WorkerProcess
from orchestration.services import processes

LEASE = timedelta(seconds=10)
NOW = timezone.now()


def _hold(holder: str, *, after: float = 0, role: str = "scheduler") -> int | None:
    return processes.hold_role(role=role, holder=holder, lease=LEASE, now=NOW + timedelta(seconds=after))


def _beat(name: str = "worker-1", **fields: Any) -> None:
    kept = {"hostname": "here", "pid": 7, "capacity": 9, "in_use": 1, "stopping": False, "started_at": NOW, "now": NOW}
    processes.worker_beat(name=name, **{**kept, **fields})


def test_a_role_is_held_by_one(db: None) -> None:
    assert _hold("one") == 1
    assert _hold("two") is None
    assert _hold("two", role="janitor") == 1


def test_the_holder_renews_with_the_same_fence(db: None) -> None:
    assert [_hold("one"), _hold("one", after=5), _hold("one", after=14)] == [1, 1, 1]
    assert RoleLease.objects.get().until == NOW + timedelta(seconds=24)


def test_another_takes_over_when_the_lease_has_ended_and_the_fence_grows(db: None) -> None:
    assert _hold("one") == 1
    assert _hold("two", after=9) is None
    assert _hold("two", after=11) == 2
    assert _hold("one", after=12) is None


def test_the_same_holder_after_its_lease_is_a_new_one(db: None) -> None:
    """In between somebody else may have acted; what was decided under the old fence does not count any more."""
    assert _hold("one") == 1
    assert _hold("one", after=11) == 2


def test_a_role_is_renewed_while_it_is_held_and_by_its_holder_alone(db: None) -> None:
    def renewed(holder: str, after: float) -> bool:
        now = NOW + timedelta(seconds=after)
        return processes.renew_role(role="scheduler", holder=holder, lease=LEASE, now=now)

    assert not renewed("one", 0)
    assert _hold("one") == 1
    assert [renewed("one", 9), renewed("one", 18), renewed("two", 18)] == [True, True, False]
    assert not renewed("one", 40)


def test_a_released_role_is_free_at_once(db: None) -> None:
    _hold("one")
    processes.release_role(role="scheduler", holder="two", now=NOW)
    assert _hold("two", after=1) is None
    processes.release_role(role="scheduler", holder="one", now=NOW)
    assert _hold("two", after=1) == 2


def test_a_heartbeat_makes_and_renews_one_row(db: None) -> None:
    _beat()
    _beat(in_use=5, stopping=True, now=NOW + timedelta(seconds=3))
    row = WorkerProcess.objects.get()
    assert (row.in_use, row.stopping, row.seen_at) == (5, True, NOW + timedelta(seconds=3))


def test_a_worker_that_goes_takes_its_row_along(db: None) -> None:
    _beat("worker-1")
    _beat("worker-2")
    processes.worker_gone(name="worker-1")
    assert WorkerProcess.objects.get().name == "worker-2"


def test_a_worker_that_was_killed_is_shown_for_a_while_and_then_forgotten(db: None) -> None:
    _beat("worker-1")
    _beat("worker-2", now=NOW + timedelta(minutes=9))
    assert processes.forget_dead_workers(now=NOW + timedelta(minutes=9)) == 0
    assert processes.forget_dead_workers(now=NOW + timedelta(minutes=11)) == 1
    assert WorkerProcess.objects.get().name == "worker-2"

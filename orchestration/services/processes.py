"""Drover's own processes: heartbeats of workers, roles held by lease."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from orchestration.models import RoleLease, WorkerProcess

_FORGOTTEN_AFTER = timedelta(minutes=10)


def worker_beat(
    *,
    name: str,
    hostname: str,
    pid: int,
    capacity: int,
    in_use: int,
    stopping: bool,
    started_at: datetime,
    now: datetime | None = None,
) -> None:
    WorkerProcess.objects.update_or_create(
        name=name,
        defaults={
            "hostname": hostname,
            "pid": pid,
            "capacity": capacity,
            "in_use": in_use,
            "stopping": stopping,
            "started_at": started_at,
            "seen_at": now or timezone.now(),
        },
    )


def worker_gone(*, name: str) -> None:
    WorkerProcess.objects.filter(name=name).delete()


def forget_dead_workers(*, now: datetime) -> int:
    """Clears away workers that were killed long ago; until then they are shown as not answering."""
    return WorkerProcess.objects.filter(seen_at__lt=now - _FORGOTTEN_AFTER).delete()[0]


@transaction.atomic
def hold_role(*, role: str, holder: str, lease: timedelta, now: datetime | None = None) -> int | None:
    """Takes or renews a role. The fence number while it is held, None while somebody else holds it."""
    now = now or timezone.now()
    RoleLease.objects.get_or_create(role=role, defaults={"until": now - lease})
    mine = RoleLease.objects.filter(role=role)
    if not mine.filter(holder=holder, until__gte=now).update(until=now + lease):
        free = mine.filter(Q(until__lt=now) | Q(holder=holder))
        if not free.update(holder=holder, until=now + lease, fence=F("fence") + 1):
            return None
    return mine.values_list("fence", flat=True).get()


def renew_role(*, role: str, holder: str, lease: timedelta, now: datetime) -> bool:
    """Whether the role was still held. It stays so until the surrounding transaction ends, and from then on renewed."""
    mine = RoleLease.objects.filter(role=role, holder=holder, until__gte=now)
    return bool(mine.update(until=now + lease))


def holds_role(*, role: str, holder: str, now: datetime) -> bool:
    """Whether the role is still held, and stays so until the surrounding transaction ends."""
    mine = RoleLease.objects.select_for_update().filter(role=role, holder=holder, until__gte=now)
    return mine.first() is not None


def release_role(*, role: str, holder: str, now: datetime | None = None) -> None:
    """Lets the next one take over at once."""
    RoleLease.objects.filter(role=role, holder=holder).update(until=(now or timezone.now()) - timedelta(seconds=1))

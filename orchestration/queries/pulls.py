"""Pulls that are under way or have ended lately, and how large a model will be."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from orchestration import events
from orchestration.models import OllamaModel, Pull
from orchestration.payloads.pulls import PullPayload, pull
from orchestration.policy.routing import full_name
from orchestration.policy.states import UNFINISHED
from orchestration.queries import catalogue

SHOWN_AFTER_END = timedelta(minutes=10)


def pulls(*, now: datetime, limit: int = 200) -> list[PullPayload]:
    """Those that are unfinished, and those that have ended in the last minutes; the newest first."""
    wanted = Q(task__status__in=UNFINISHED) | Q(task__ended_at__gte=now - SHOWN_AFTER_END)
    rows = Pull.objects.filter(wanted).select_related("task__lane__node").order_by("-task_id")
    return payloads_of(list(rows[:limit]))


def pull_of(task_id: int) -> PullPayload | None:
    rows = Pull.objects.filter(task_id=task_id).select_related("task__lane__node")
    return next(iter(payloads_of(list(rows))), None)


def payloads_of(rows: Sequence[Pull]) -> list[PullPayload]:
    live = events.read_progress(row.task_id for row in rows)
    return [pull(row, live.get(row.task_id)) for row in rows]


def expected_bytes(name: str) -> int | None:
    """As it is where it is installed, else as the library tells; None where nobody knows."""
    wanted = full_name(name)
    known = OllamaModel.objects.filter(name=wanted, size_bytes__gt=0).values_list("size_bytes", flat=True).first()
    return known or catalogue.size_of(wanted)


def names_like(name: str) -> list[str]:
    """Names that can be pulled, of which one may have been meant."""
    return catalogue.near(name)

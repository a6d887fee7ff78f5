"""What will be asked for next: the steps that wait for others now, and the models usually used at this hour."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count

from orchestration.models import Lane, Task
from orchestration.policy.fleet import Upcoming
from orchestration.policy.states import TaskStatus

STEPS = 200
"""Blocked tasks that are looked at: those of the latest runs."""
DAYS = 7
AROUND = timedelta(minutes=30)
"""An hour of each of the last days counts, half of it before the present time of day."""
USUAL = 5
"""A model is usual at this hour when it served at least this many tasks on each of three days."""
USUAL_DAYS = 3
REMEMBERED_FOR = timedelta(minutes=10)


def steps() -> Iterator[Upcoming]:
    """What blocked steps need."""
    waiting = Task.objects.filter(status=TaskStatus.BLOCKED).order_by("-pk").values_list("lane_id", flat=True)[:STEPS]
    for lane in Lane.objects.filter(pk__in=set(waiting), node=None).order_by("pk"):
        yield Upcoming(models=tuple(lane.models), num_ctx=lane.num_ctx, reason="a step that waits for others needs it")


def usual(now: datetime) -> Iterator[Upcoming]:
    """The models of this hour, the most used first; worth remembering for REMEMBERED_FOR."""
    days: Counter[tuple[str, int]] = Counter()
    served: Counter[tuple[str, int]] = Counter()
    for day in range(1, DAYS + 1):
        middle = now - timedelta(days=day)
        ended = Task.objects.filter(
            status=TaskStatus.COMPLETED, ended_at__range=(middle - AROUND, middle + AROUND), lane__num_ctx__gt=0
        )
        for model, num_ctx, count in ended.order_by().values_list("model_used", "lane__num_ctx").annotate(Count("pk")):
            served[model, num_ctx] += count
            days[model, num_ctx] += count >= USUAL
    for (model, num_ctx), count in served.most_common():
        if days[model, num_ctx] >= USUAL_DAYS:
            reason = f"usually asked for at this hour, {round(count / DAYS)} times a day"
            yield Upcoming(models=(model,), num_ctx=num_ctx, reason=reason)

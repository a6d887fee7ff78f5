"""What was done with models: over the last 24 hours from the tasks, over a week and a month from the daily sums."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from typing_extensions import TypedDict

from orchestration.models import Task, UsageDay, User
from orchestration.policy.routing import full_name
from orchestration.policy.spread import percentile
from orchestration.policy.states import ErrandType, TaskStatus
from orchestration.queries.statistics import user_name

DAY = timedelta(days=1)
WINDOWS: Mapping[str, timedelta] = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
TIMED_AT_MOST = 2_000
"""Tasks whose first tokens a percentile is made of: the latest ones, so that a long history costs no more."""
TOP = 5


class UsagePayload(TypedDict):
    """``tokens_per_second``: of the time in which tokens were written. ``seconds``: of the GPUs, with loads and
    prompts. ``first_token_p50`` and ``_p95``: seconds from the start, of the latest 2,000 tasks at most. A week and a
    month end with today and begin at midnight UTC."""

    tasks: int
    completed: int
    failed: int
    prompt_tokens: int
    output_tokens: int
    tokens_per_second: float | None
    first_token_p50: float | None
    first_token_p95: float | None
    seconds: float
    users: int
    agents: int


class Named(TypedDict):
    name: str
    tasks: int


class ModelUsage(TypedDict):
    """``top_users`` and ``top_agents``: of the last 30 days."""

    name: str
    windows: dict[str, UsagePayload]
    top_users: list[Named]
    top_agents: list[Named]


class _Timed(NamedTuple):
    ended_at: datetime
    seconds: float


def of_model(name: str, *, now: datetime) -> ModelUsage:
    wanted = full_name(name)
    month = _days(now, WINDOWS["30d"]).filter(model_name=wanted)
    timed = _first_tokens(wanted)
    sums = {window: _sums(window, now).get(wanted, _NOTHING) for window in WINDOWS}
    return ModelUsage(
        name=wanted,
        windows={window: _payload(row, _since(timed, now - WINDOWS[window])) for window, row in sums.items()},
        top_users=_top_users(month),
        top_agents=[Named(name=agent, tasks=tasks) for agent, tasks in _top(month, "agent_name")],
    )


def by_model(*, now: datetime) -> dict[str, dict[str, UsagePayload]]:
    """By window, of every model that was used in that time. One query a window, and one for each model that was."""
    sums = {window: _sums(window, now) for window in WINDOWS}
    timed = {name: _first_tokens(name) for name in {name for found in sums.values() for name in found}}
    return {
        window: {name: _payload(row, _since(timed[name], now - WINDOWS[window])) for name, row in found.items()}
        for window, found in sums.items()
    }


def tasks_by_model(*, window: str, now: datetime) -> dict[str, int]:
    return {name: row["good"] + row["bad"] for name, row in _sums(window, now).items()}


_GPU = ("load_seconds", "prefill_seconds", "decode_seconds")
_NOTHING: Mapping[str, Any] = {
    **dict.fromkeys(("good", "bad", "prompts", "outputs", "users", "agents"), 0),
    **dict.fromkeys(("load", "prefill", "decode"), 0.0),
}


def _sums(window: str, now: datetime) -> dict[str, dict[str, Any]]:
    """By model. All models together: the range of time decides what is read, not how long a model's history is."""
    if WINDOWS[window] == DAY:
        rows: Any = _ended(now, DAY).order_by().values("model_used").annotate(**_OF_TASKS)
        return {row["model_used"]: row for row in rows}
    days: Any = _days(now, WINDOWS[window]).order_by().values("model_name").annotate(**_OF_DAYS)
    return {row["model_name"]: row for row in days}


_SECONDS: dict[str, Any] = {name.partition("_")[0]: Coalesce(Sum(name), 0.0) for name in _GPU}
_TOKENS: dict[str, Any] = {
    "prompts": Coalesce(Sum("prompt_tokens"), 0),
    "outputs": Coalesce(Sum("output_tokens"), 0),
    "agents": Count("agent_name", distinct=True),
}
_OF_TASKS: dict[str, Any] = {
    **_SECONDS,
    **_TOKENS,
    "good": Count("pk", filter=Q(status=TaskStatus.COMPLETED)),
    "bad": Count("pk", filter=Q(status=TaskStatus.FAILED)),
    "users": Count("owner", distinct=True),
}
_OF_DAYS: dict[str, Any] = {
    **_SECONDS,
    **_TOKENS,
    "good": Coalesce(Sum("completed"), 0),
    "bad": Coalesce(Sum("failed"), 0),
    "users": Count("share", distinct=True, filter=~Q(share=0)),
}


def _ended(now: datetime, time: timedelta) -> "QuerySet[Task]":
    """Errands are done on models, not by them."""
    ended = Task.objects.filter(status__in=[TaskStatus.COMPLETED, TaskStatus.FAILED], ended_at__gt=now - time)
    return ended.filter(ended_at__lte=now).exclude(type__in=list(ErrandType)).exclude(model_used="")


def _days(now: datetime, time: timedelta) -> "QuerySet[UsageDay]":
    last = now.date()
    days = UsageDay.objects.filter(day__gt=last - time, day__lte=last)
    return days.exclude(type__in=list(ErrandType)).exclude(model_name="")


def _payload(row: Mapping[str, Any], first: list[float]) -> UsagePayload:
    return UsagePayload(
        tasks=row["good"] + row["bad"],
        completed=row["good"],
        failed=row["bad"],
        prompt_tokens=row["prompts"],
        output_tokens=row["outputs"],
        tokens_per_second=row["outputs"] / row["decode"] if row["outputs"] and row["decode"] else None,
        first_token_p50=percentile(first, 0.5) if first else None,
        first_token_p95=percentile(first, 0.95) if first else None,
        seconds=row["load"] + row["prefill"] + row["decode"],
        users=row["users"],
        agents=row["agents"],
    )


def _first_tokens(name: str) -> list[_Timed]:
    latest = Task.objects.filter(model_used=name).exclude(type__in=list(ErrandType)).order_by("-pk")
    fields = ("status", "ended_at", "first_token_seconds")
    rows = latest.values_list(*fields)[:TIMED_AT_MOST]
    return [
        _Timed(at, first) for status, at, first in rows if status == TaskStatus.COMPLETED and at and first is not None
    ]


def _since(timed: list[_Timed], since: datetime) -> list[float]:
    return [each.seconds for each in timed if each.ended_at > since]


def _top_users(month: "QuerySet[UsageDay]") -> list[Named]:
    found = _top(month.exclude(share=0), "share")
    names = dict(User.objects.filter(pk__in=[share for share, _ in found]).values_list("pk", "username"))
    return [Named(name=user_name(share, names), tasks=tasks) for share, tasks in found]


def _top(month: "QuerySet[UsageDay]", field: str) -> list[tuple[Any, int]]:
    rows = month.order_by().values_list(field).annotate(tasks=Sum(F("completed") + F("failed")))
    return list(rows.filter(tasks__gt=0).order_by("-tasks", field)[:TOP])

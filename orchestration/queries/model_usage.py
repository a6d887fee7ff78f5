"""What was done with models over the last day, week and month, from the tasks that have ended."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from typing_extensions import TypedDict

from orchestration.models import Task
from orchestration.policy.routing import full_name
from orchestration.policy.spread import percentile
from orchestration.policy.states import ErrandType, TaskStatus

WINDOWS: Mapping[str, timedelta] = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
TIMED_AT_MOST = 2_000
"""First tokens that a percentile is made of: the latest ones."""
TOP = 5


class UsagePayload(TypedDict):
    """``tokens_per_second``: of the time in which tokens were written. ``seconds``: of the GPUs, with loads and
    prompts. ``first_token_p50`` and ``_p95``: seconds from the start, of the latest 2,000 tasks at most."""

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


def of_model(name: str, *, now: datetime) -> ModelUsage:
    wanted = full_name(name)
    month = _ended(now, WINDOWS["30d"]).filter(model_used=wanted)
    return ModelUsage(
        name=wanted,
        windows={window: _of_one(wanted, window, now) for window in WINDOWS},
        top_users=_top(month.exclude(owner=None), "owner__username"),
        top_agents=_top(month, "agent_name"),
    )


def _of_one(name: str, window: str, now: datetime) -> UsagePayload:
    rows = _ended(now, WINDOWS[window]).filter(model_used=name)
    return _payload(rows.aggregate(**_SUMS), _first_tokens(rows))


def by_model(*, window: str, now: datetime) -> dict[str, UsagePayload]:
    """Of every model that was used in that time. One query, and one for each model that was."""
    ended = _ended(now, WINDOWS[window]).exclude(model_used="")
    rows = ended.order_by().values("model_used").annotate(**_SUMS).order_by("model_used")
    return {row["model_used"]: _payload(row, _first_tokens(ended.filter(model_used=row["model_used"]))) for row in rows}


def tasks_by_model(*, window: str, now: datetime) -> dict[str, int]:
    ended = _ended(now, WINDOWS[window]).exclude(model_used="").order_by()
    return dict(ended.values_list("model_used").annotate(Count("pk")))


def _ended(now: datetime, time: timedelta) -> "QuerySet[Task]":
    """Errands are done on models, not by them."""
    ended = Task.objects.filter(status__in=[TaskStatus.COMPLETED, TaskStatus.FAILED], ended_at__gt=now - time)
    return ended.filter(ended_at__lte=now).exclude(type__in=list(ErrandType))


_GPU = ("load_seconds", "prefill_seconds", "decode_seconds")
_SUMS: dict[str, Any] = {
    "tasks": Count("pk"),
    "completed": Count("pk", filter=Q(status=TaskStatus.COMPLETED)),
    "prompts": Coalesce(Sum("prompt_tokens"), 0),
    "outputs": Coalesce(Sum("output_tokens"), 0),
    "written": Sum("output_tokens", filter=Q(decode_seconds__gt=0)),
    "users": Count("owner", distinct=True),
    "agents": Count("agent_name", distinct=True),
    **{name.partition("_")[0]: Coalesce(Sum(name), 0.0) for name in _GPU},
}


def _payload(row: Mapping[str, Any], first: list[float]) -> UsagePayload:
    return UsagePayload(
        tasks=row["tasks"],
        completed=row["completed"],
        failed=row["tasks"] - row["completed"],
        prompt_tokens=row["prompts"],
        output_tokens=row["outputs"],
        tokens_per_second=row["written"] / row["decode"] if row["written"] and row["decode"] else None,
        first_token_p50=percentile(first, 0.5) if first else None,
        first_token_p95=percentile(first, 0.95) if first else None,
        seconds=row["load"] + row["prefill"] + row["decode"],
        users=row["users"],
        agents=row["agents"],
    )


def _first_tokens(rows: "QuerySet[Task]") -> list[float]:
    timed = rows.filter(status=TaskStatus.COMPLETED).exclude(first_token_seconds=None)
    return [
        each
        for each in timed.order_by("-ended_at").values_list("first_token_seconds", flat=True)[:TIMED_AT_MOST]
        if each is not None
    ]


def _top(rows: "QuerySet[Task]", field: str) -> list[Named]:
    counted = rows.order_by().values_list(field).annotate(number=Count("pk")).order_by("-number", field)[:TOP]
    return [Named(name=name, tasks=number) for name, number in counted]

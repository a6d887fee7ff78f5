"""How Drover itself is doing: health of its parts, workers, totals, recent errors."""

import logging
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count
from django.utils import timezone

from orchestration import extensions, queue
from orchestration.models import Attempt, CatalogueState, RoleLease, Task, WorkerProcess
from orchestration.payloads import stamp
from orchestration.policy.states import AttemptStatus, TaskStatus
from orchestration.queries.tasks import task_counts

log = logging.getLogger(__name__)

SCHEDULER_ROLE = "scheduler"


def health() -> dict[str, Any]:
    """``{"status": "ok" | "degraded", "checks": {part: {"ok", "message"}}}``, a check for each part of Drover, and
    ``notes`` where something else is worth knowing."""
    now = timezone.now()
    checks = {"web": _check(True, "answers"), "database": _database(), "redis": _redis()}
    if checks["database"]["ok"]:
        checks["scheduler"] = _scheduler(now)
        checks["worker"] = _workers(now)
    else:
        checks["scheduler"] = checks["worker"] = _check(False, "unknown: the database does not answer")
    ok = all(check["ok"] for check in checks.values())
    notes = [*_broken_extensions(), *(_unread_library() if checks["database"]["ok"] else ())]
    return {"status": "ok" if ok else "degraded", "checks": checks, **({"notes": notes} if notes else {})}


def _broken_extensions() -> list[str]:
    broken = len(extensions.failed())  # whoever asks need not know which packages there are
    return [f"{broken} installed extensions cannot be loaded; doctor says why"] if broken else []


def _unread_library() -> list[str]:
    """Nothing depends on it: the catalogue goes on as it was."""
    failed = CatalogueState.objects.exclude(error="").exists()
    return ["the model library could not be read the last time; the catalogue says why"] if failed else []


def _check(ok: bool, message: str) -> dict[str, Any]:
    return {"ok": ok, "message": message}


def _database() -> dict[str, Any]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        log.warning("the database does not answer: %s", error)  # whoever asks need not know its address
        return _check(False, "does not answer; the log of the web process says why")
    return _check(True, connection.vendor)


def _redis() -> dict[str, Any]:
    return _check(True, "answers") if queue.answers() else _check(False, "does not answer")


def scheduler_leads(now: datetime) -> bool:
    """Whether what only the leader does will be done."""
    return RoleLease.objects.filter(role=SCHEDULER_ROLE, until__gte=now).exists()


def _scheduler(now: datetime) -> dict[str, Any]:
    leader = RoleLease.objects.filter(role=SCHEDULER_ROLE, until__gte=now).first()
    return _check(True, f"led by {leader.holder}") if leader else _check(False, "no scheduler is running")


def _workers(now: datetime) -> dict[str, Any]:
    alive = [worker for worker in workers(now=now) if worker["alive"]]
    return _check(bool(alive), f"{len(alive)} running" if alive else "No worker is running")


def workers(*, now: datetime | None = None) -> list[dict[str, Any]]:
    """Every worker that was heard of lately; ``alive`` when its heartbeat is fresh."""
    now = now or timezone.now()
    return [
        {
            "name": row.name,
            "hostname": row.hostname,
            "pid": row.pid,
            "capacity": row.capacity,
            "in_use": row.in_use,
            "stopping": row.stopping,
            "alive": now - row.seen_at < settings.DROVER_WORKER_STALE,
            "started_at": stamp(row.started_at),
            "seen_at": stamp(row.seen_at),
        }
        for row in WorkerProcess.objects.all()
    ]


def metrics() -> dict[str, Any]:
    """Totals over all tasks. ``success_rate`` is completed of completed and failed, None before the first."""
    counts = task_counts()
    ended = counts["completed"] + counts["failed"]
    return {
        "total": sum(number for word, number in counts.items() if word != "failed_last_hour"),
        "completed": counts["completed"],
        "failed": counts["failed"],
        "cancelled": counts["cancelled"],
        "pending": counts["pending"],
        "running": counts["running"],
        "success_rate": counts["completed"] / ended if ended else None,
        "by_model": _counted("model_used"),
        "by_node": _counted("node_name"),
        "routing": _routing(),
    }


def _counted(field: str) -> dict[str, dict[str, int]]:
    result: dict[str, dict[str, int]] = {}
    ended = Task.objects.filter(status__in=[TaskStatus.COMPLETED, TaskStatus.FAILED]).exclude(**{field: ""})
    for name, status, number in ended.order_by().values_list(field, "status").annotate(Count("pk")):
        result.setdefault(name, {"completed": 0, "failed": 0})[status] = number
    return result


def _routing() -> dict[str, dict[str, int]]:
    """For each agent how many tasks went to which model."""
    result: dict[str, dict[str, int]] = {}
    rows = Task.objects.exclude(model_used="").order_by().values_list("agent_name", "model_used")
    for agent, model, number in rows.annotate(Count("pk")):
        result.setdefault(agent, {})[model] = number
    return result


def errors(*, limit: int = 50) -> list[dict[str, Any]]:
    """The latest attempts that failed or were lost, newest first."""
    rows = Attempt.objects.filter(status__in=[AttemptStatus.FAILED, AttemptStatus.LOST]).select_related("task")
    return [
        {
            "task_id": row.task_id,
            "title": row.task.title,
            "attempt": row.number,
            "at": stamp(row.ended_at or row.granted_at),
            "node": row.node_name,
            "model": row.model_name,
            "agent": row.task.agent_name,
            "error_code": row.error_code,
            "error": row.error,
            "retry_at": stamp(row.retry_at) if row.retry_at else None,
            "task_status": row.task.status,
        }
        for row in rows.defer("request")[:limit]
    ]

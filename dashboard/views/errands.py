"""The page of a task that tells a node what to do with a model: how far it is instead of what it says."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from dashboard.phases import verdict
from dashboard.tries import tries
from dashboard.views import actor
from dashboard.waiting import why_it_waits
from orchestration import queries
from orchestration.models import Task
from orchestration.payloads import TaskPayload
from orchestration.payloads.pulls import PullLayer, PullPayload
from orchestration.permissions import Action, refusal
from orchestration.policy.errands import doing
from orchestration.policy.pulls import size
from orchestration.policy.states import ACTIVE, ENDED, WAITING, ErrandType, Priority, TaskStatus
from orchestration.queries.pulls import pull_of

_PRIORITIES = tuple((priority.value, priority.name.lower()) for priority in Priority)
_SENT = ("id", "status", "state", "phase", "title", "message", "progress", "attempt_id", "version")


def detail(request: HttpRequest, row: Task) -> HttpResponse:
    task = queries.task_detail(row.pk)
    pull = pull_of(row.pk) if row.type == ErrandType.PULL else None
    who = actor(request)
    context = {
        "task": task,
        "pull": pull,
        "how": _how(row, task, pull),
        "layers": [_layer(layer, task["state"]) for layer in pull["layers"]] if pull else [],
        "node": row.lane.node,
        "attempts": tries(task["attempt_list"], now=timezone.now()),
        "tries": row.tries + (row.status in ACTIVE or row.status == TaskStatus.COMPLETED),
        "max_tries": row.max_tries,
        "verdict": verdict(task, task["attempt_list"]),
        "why": why_it_waits(row, task, who),
        "why_no_cancel": _why_no_cancel(row) or refusal(who, Action.CANCEL_TASK, row) or "",
        "why_no_retry": _why_no_retry(row) or refusal(who, Action.RETRY_TASK, row) or "",
        "why_no_priority": refusal(who, Action.EDIT_TASK, row) or "",
        "priorities": _PRIORITIES if row.status in WAITING else (),
        "given": [(name, value) for name, value in row.parameters.items() if name != "spelled"],
        "task_json": {name: task[name] for name in _SENT},  # type: ignore[literal-required]
    }
    return render(request, "tasks/errand.html", context)


def _how(row: Task, task: TaskPayload, pull: PullPayload | None) -> dict[str, Any]:
    """A share only where somebody knows it."""
    share = pull["percent"] if pull else 100.0 if row.status == TaskStatus.COMPLETED else None
    words = task["message"] or (pull["words"] if pull else "")
    if not words and row.status == TaskStatus.RUNNING:
        words = f"{doing(row.type)} {row.model_name}"
    return {"share": share, "percent": None if share is None else int(share), "words": words}


def _layer(layer: PullLayer, state: str) -> dict[str, Any]:
    share = round(100 * layer["done"] / max(1, layer["total"]))
    return {
        "name": layer["digest"].removeprefix("sha256:")[:12],
        "share": share,
        "words": f"{size(layer['done'])} of {size(layer['total'])}" if share < 100 else size(layer["total"]),
        "state": "completed" if share == 100 else state,
    }


def _why_no_cancel(row: Task) -> str:
    if row.status in ENDED:
        return f"It has ended: {row.status}."
    return "Its worker has been told to stop." if row.cancel_requested_at else ""


def _why_no_retry(row: Task) -> str:
    if row.status not in ENDED:
        return "It has not ended yet."
    return "It completed." if row.status == TaskStatus.COMPLETED else ""

"""What pages say of waiting: of one task the reason, what is in the way, what happens next and what one can do; of all
what waits, lane by lane."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from dashboard.pausing import why_not_agent
from orchestration import queries
from orchestration.models import Task
from orchestration.payloads import TaskPayload
from orchestration.permissions import Action, Actor, refusal
from orchestration.policy.decision import Waits
from orchestration.policy.prospects import OwnWaits, next_step
from orchestration.policy.states import PauseKind, TaskStatus
from orchestration.queries import TaskFilter
from orchestration.queries.lanes import WaitingLane
from orchestration.queries.waiting import IN_LINE

BY_NODES = frozenset(
    {
        Waits.BUSY,
        Waits.LOADING,
        Waits.DRAINING,
        Waits.NO_ROOM,
        Waits.MODEL_LIMIT,
        Waits.NODE_UNAVAILABLE,
        Waits.LOAD_FAILED,
    }
)
"""Reasons that lie in the nodes that have the model: what they hold and run answers the next question."""
ICONS: dict[str, str] = {
    Waits.LOADING: "loading",
    Waits.PAUSED: "paused",
    OwnWaits.BACKING_OFF: "retrying",
    OwnWaits.STARTING: "starting",
    OwnWaits.STEP: "blocked",
    OwnWaits.RUN_PAUSED: "paused",
    OwnWaits.RUN_LIMIT: "held",
}
NEEDS_SOMEBODY = frozenset(
    {
        Waits.NO_WORKER,
        Waits.REDIS_AWAY,
        Waits.DISABLED,
        Waits.NOT_PULLED,
        Waits.NODE_UNAVAILABLE,
        Waits.LOAD_FAILED,
        Waits.PAUSED,
    }
)
"""Waiting alone does not help."""


def why_it_waits(row: Task, task: TaskPayload, who: Actor) -> dict[str, Any] | None:
    """None for a task that does not wait."""
    waiting = task["waiting"]
    if waiting is None:
        return None
    code = waiting["code"]
    return {
        **waiting,
        "state": _state(code),
        "icon": _icon(code),
        "in_line": code in IN_LINE,
        "waited_since": row.waited_since,
        "next": _next(row, code),
        "nodes": queries.obstacles(row.lane.models, only=row.lane.node_id) if code in BY_NODES else [],
        "pause": _pause(row, who) if code == Waits.PAUSED else None,
        "link": _link(row, code),
    }


def _next(row: Task, code: str) -> str:
    patience = settings.DROVER_PATIENCE[row.priority].total_seconds()
    waited = (timezone.now() - row.waited_since).total_seconds()
    only = row.lane.node.name if row.lane.node else ""
    return next_step(code, models=row.lane.models, patience=patience, waited=waited, only=only)


def _pause(row: Task, who: Actor) -> dict[str, Any] | None:
    """The pause that holds it back, with whether this person may end it."""
    owner = row.agent.owner_id if row.agent else None
    held_by = [
        (PauseKind.PRIORITY, str(row.priority)),
        (PauseKind.AGENT, str(row.agent_id)),
        *((PauseKind.MODEL, model) for model in row.lane.models),
    ]
    there = {(pause["kind"], pause["key"]): pause for pause in queries.paused()}
    found = next((there[key] for key in held_by if key in there), None)
    if found is None:
        return None
    by_agent = found["kind"] == PauseKind.AGENT
    why_not = why_not_agent(who, owner) if by_agent else refusal(who, Action.PAUSE_FOR_ALL) or ""
    return {**found, "why_not": why_not}


def _link(row: Task, code: str) -> dict[str, str] | None:
    """Where one can do something about it."""
    if code in (Waits.NOT_PULLED, Waits.NODE_UNAVAILABLE, Waits.LOAD_FAILED):
        return {"url": reverse("nodes"), "title": "Models & nodes"}
    if code == Waits.AGENT_LIMIT and row.agent_id:
        return {"url": reverse("agent", args=[row.agent_id]), "title": "Agent"}
    if code == OwnWaits.STEP:
        edge = row.dependencies.exclude(needs__status=TaskStatus.COMPLETED).order_by("needs__position").first()
        return {"url": reverse("task", args=[edge.needs_id]), "title": "That step"} if edge else None
    return None


def lanes() -> list[dict[str, Any]]:
    """What waits, lane by lane, with the tasks behind each."""
    return [
        {**lane, "state": _state(lane["code"]), "icon": _icon(lane["code"]), "url": _tasks_of(lane)}
        for lane in queries.waiting_lanes()
    ]


def _tasks_of(lane: WaitingLane) -> str:
    agents = frozenset({lane["agent"]} if lane["agent"] else ())
    found = TaskFilter(status=frozenset({"pending"}), agent=agents, type=frozenset({lane["type"]}))
    return f"{reverse('tasks')}?{found.to_query()}"


def _state(code: str) -> str:
    return "warn" if code in NEEDS_SOMEBODY else ICONS.get(code, "waiting")


def _icon(code: str) -> str:
    return ICONS.get(code, "warn" if code in NEEDS_SOMEBODY else "waiting")

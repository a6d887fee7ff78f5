"""What pages say of pauses: the queue classes with theirs, and whether this person may make and end one."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from orchestration.models import Agent
from orchestration.payloads import PausePayload
from orchestration.permissions import Action, Actor, refusal
from orchestration.policy.states import PauseKind, Priority

HINTS = {
    Priority.HIGH: "before all others",
    Priority.NORMAL: "in their turn",
    Priority.LOW: "when nothing else wants the place",
}


def why_not_agent(who: Actor, owner_id: int | None) -> str:
    """Why this person may not pause an agent of that owner; empty when they may."""
    return refusal(who, Action.PAUSE_AGENT, Agent(owner_id=owner_id)) or ""


def queue_classes(pauses: Sequence[PausePayload], why_not: str) -> list[dict[str, str]]:
    words = {row["key"]: row["words"] for row in pauses if row["kind"] == PauseKind.PRIORITY}
    return [
        {
            "key": str(priority.value),
            "name": priority.name.capitalize(),
            "hint": HINTS[priority],
            "url": f"{reverse('tasks')}?status=waiting&priority={priority.value}",
            "paused": words.get(str(priority.value), ""),
            "why_not": why_not,
        }
        for priority in Priority
    ]


def attention(pauses: Sequence[PausePayload], who: Actor) -> list[dict[str, Any]]:
    """One line for each pause: what, by whom, since when, and the way to end it."""
    agents = [int(row["key"]) for row in pauses if row["kind"] == PauseKind.AGENT]
    owners = dict(Agent.objects.filter(pk__in=agents).values_list("pk", "owner_id")) if agents else {}
    why_not = refusal(who, Action.PAUSE_FOR_ALL) or ""
    return [
        _line(row, why_not_agent(who, owners.get(int(row["key"]))) if row["kind"] == PauseKind.AGENT else why_not)
        for row in pauses
    ]


def _line(row: PausePayload, why_not: str) -> dict[str, Any]:
    what, _, rest = row["words"].partition(" paused ")
    control = {"kind": row["kind"], "key": row["key"], "name": row["name"], "why_not": why_not}
    return {
        "state": "paused",
        "icon": "paused",
        "title": f"{what} is paused",
        "note": rest,
        "url": _waiting(row),
        "pause": control,
    }


def _waiting(row: PausePayload) -> str:
    """The tasks that it holds back."""
    named = {PauseKind.PRIORITY: ("priority", row["key"]), PauseKind.AGENT: ("agent", row["name"])}
    field, value = named.get(PauseKind(row["kind"]), ("model", row["name"]))
    return f"{reverse('tasks')}?{urlencode({'status': 'waiting', field: value})}"

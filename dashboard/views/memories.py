"""What agents remember, on their own page and beside conversations: pinned, worded anew, removed."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.models import Agent, Memory
from orchestration.payloads.conversations import memory
from orchestration.permissions import Action, Actor, refusal
from orchestration.policy.memory import FACT_CHARACTERS
from orchestration.services import memories as service


def panel(who: Actor, agent: Agent) -> dict[str, Any]:
    """What the panel shows: each fact with whether this person may change it."""
    rows = Memory.objects.filter(agent=agent).select_related("agent")
    return {
        "keeper": {"id": agent.pk, "name": agent.name, "memory_enabled": agent.memory_enabled},
        "facts": [{**memory(row), "may_change": service.may_change(who, row)} for row in rows],
        "fact_characters": FACT_CHARACTERS,
        "why_not_pin": refusal(who, Action.PIN_MEMORY) or "",
    }


@require_POST
@page
def pin(request: HttpRequest, agent_id: int) -> HttpResponse:
    agent = queries.get_agent(agent_id)
    service.pin(actor=actor(request), agent=agent, text=request.POST.get("text", ""))
    return done(request, f"{agent.name} will remember this.")


@require_POST
@page
def edit(request: HttpRequest, agent_id: int, memory_id: int) -> HttpResponse:
    service.edit(actor=actor(request), agent_id=agent_id, memory_id=memory_id, text=request.POST.get("text", ""))
    return done(request, "Saved.")


@require_POST
@page
def unpin(request: HttpRequest, agent_id: int, memory_id: int) -> HttpResponse:
    service.unpin(actor=actor(request), agent_id=agent_id, memory_id=memory_id)
    return done(request, "Forgotten.")

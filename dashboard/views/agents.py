"""Agents: listed, made, changed, deleted."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.agent_forms import AgentForm, initial_from_agent
from dashboard.forms import saved
from dashboard.pausing import why_not_agent
from dashboard.views import actor, done, page
from dashboard.views.memories import panel
from orchestration import queries
from orchestration.models import Agent
from orchestration.payloads import AgentPayload
from orchestration.permissions import Action, Actor, refusal
from orchestration.policy.states import PauseKind
from orchestration.queries import TaskFilter
from orchestration.services import agents as service


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    who, installed, paused = actor(request), _installed(), queries.pauses.words()
    rows = [{**_warned(agent, installed), **_pause(agent, who, paused)} for agent in queries.agents()]
    return render(request, "agents/index.html", {"agents": rows})


def _pause(agent: AgentPayload, who: Actor, paused: dict[tuple[str, str], str]) -> dict[str, str]:
    """Whether it is paused, in words, and why this person could not change that. Names of users are unique."""
    owner_id = who.user_id if agent["owner"] == who.name else None
    return {
        "paused": paused.get((PauseKind.AGENT, str(agent["id"])), ""),
        "why_no_pause": why_not_agent(who, owner_id),
    }


def _installed() -> list[str]:
    return [model["name"] for model in queries.known_models() if model["installed_on"]]


def _warned(agent: AgentPayload, installed: list[str]) -> AgentPayload:
    named = Agent(
        models=agent["models"],
        default_model=agent["config"]["default_model"],
        routing_preferences=agent["config"]["routing_preferences"],
        fallbacks=agent["fallbacks"],
        router=agent["router"],
        extension=agent["extension"],
    )
    return {**agent, "warnings": service.warnings(named, installed)}


@page
def new(request: HttpRequest) -> HttpResponse:
    form = AgentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        made = saved(form, lambda: service.create(actor=actor(request), **form.values(None)))
        if made:
            return done(request, f"The agent {made.name} is ready.", to=reverse("agents"))
    why_not = refusal(actor(request), Action.EDIT_AGENT)
    context = {"form": form, "agent": None, "models": queries.known_models(), "why_not": why_not}
    return render(request, "agents/form.html", context, status=422 if form.errors else 200)


@page
def edit(request: HttpRequest, agent_id: int) -> HttpResponse:
    agent = queries.get_agent(agent_id)
    form = AgentForm(request.POST or None, initial=initial_from_agent(agent))
    if request.method == "POST" and form.is_valid():
        values = form.values(agent)
        if saved(form, lambda: service.update(actor=actor(request), agent_id=agent_id, **values)):
            return done(
                request,
                "Saved. Tasks submitted from now on use it; retries and limits hold at once.",
                to=reverse("agents"),
            )
    models = queries.known_models()
    installed = [model["name"] for model in models if model["installed_on"]]
    context = {
        "form": form,
        "agent": {"id": agent.pk, "name": agent.name, "warnings": service.warnings(agent, installed)},
        "models": models,
        "unfinished": _unfinished(agent),
        **panel(actor(request), agent),
        "paused": queries.pauses.words().get((PauseKind.AGENT, str(agent.pk)), ""),
        "why_no_pause": why_not_agent(actor(request), agent.owner_id),
        "why_not": refusal(actor(request), Action.EDIT_AGENT, agent),
    }
    return render(request, "agents/form.html", context, status=422 if form.errors else 200)


def _unfinished(agent: Agent) -> int:
    counts = {word: count for word, _, count in queries.facets(TaskFilter(agent=frozenset({agent.name})))["status"]}
    return counts["pending"] + counts["running"]


@require_POST
@page
def delete(request: HttpRequest, agent_id: int) -> HttpResponse:
    name = queries.get_agent(agent_id).name
    service.delete(actor=actor(request), agent_id=agent_id, cancel_tasks="cancel_tasks" in request.POST)
    return done(request, f"The agent {name} is deleted.", to=reverse("agents"))

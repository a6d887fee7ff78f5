"""Settings, retention: rules, a look at what they would remove, clean-ups, and the folder that answers go into."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from dashboard.retention_forms import NewRuleForm, RuleForm, filled
from dashboard.views import actor, done, page
from orchestration.errors import InvalidInput
from orchestration.models import Agent
from orchestration.payloads.retention import CleanUpPayload, PlanPayload
from orchestration.permissions import Action, refusal
from orchestration.policy.retention import NEVER
from orchestration.queries import get_agent
from orchestration.queries import retention as queries
from orchestration.queries.ids import id_of
from orchestration.services import retention as service

CLEAN_UPS_SHOWN = 20


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    """``look``: with a dry run, which reads every text that would go."""
    found = queries.retention()
    agents = Agent.objects.order_by("name").values_list("pk", "name")
    plan = queries.dry_run(timezone.now()) if "look" in request.GET else None
    clean_ups = queries.clean_ups()[:CLEAN_UPS_SHOWN]
    context = {
        **found,
        "rules": [(rule, filled(rule)) for rule in found["rules"]],
        "form": NewRuleForm(agents=agents, rules=found["rules"]),
        "plan": plan,
        "plan_count": _count(plan) if plan else 0,
        "clean_ups": [_with_progress(row) for row in clean_ups],
        "under_way": any(row["ended_at"] is None for row in clean_ups),
        "never": settings.DROVER_CLEANUP_HOUR == NEVER,
        "why_not": refusal(actor(request), Action.CLEAN_UP) or "",
    }
    return render(request, "settings/retention.html", context)


def _count(found: PlanPayload | CleanUpPayload) -> int:
    return found["total"]["texts"] + found["total"]["tasks"]


def _with_progress(row: CleanUpPayload) -> dict[str, Any]:
    """``percent`` of what was expected; None where that is not known."""
    expected = row["expected"]
    percent = min(100, round(100 * _count(row) / expected)) if expected else None
    return {**row, "count": _count(row), "percent": percent}


@require_POST
@page
def add(request: HttpRequest) -> HttpResponse:
    rules = queries.retention()["rules"]
    form = NewRuleForm(request.POST, agents=Agent.objects.values_list("pk", "name"), rules=rules)
    values = form.values()
    agent = None if form.agent_id is None else get_agent(form.agent_id)
    row = service.add_rule(actor=actor(request), agent=agent, **values)
    return done(request, f"Kept: {row}. Look at what that would remove before the next clean-up.")


@require_POST
@page
def change(request: HttpRequest, rule_id: int) -> HttpResponse:
    row = service.change_rule(actor=actor(request), rule_id=rule_id, **RuleForm(request.POST).values())
    return done(request, f"Changed: {row}.")


@require_POST
@page
def remove(request: HttpRequest, rule_id: int) -> HttpResponse:
    service.remove_rule(actor=actor(request), rule_id=rule_id)
    return done(request, "The rule is taken back.")


@require_POST
@page
def ask(request: HttpRequest) -> HttpResponse:
    """What was looked at, and no more than that."""
    expected = id_of(request.POST.get("expected", ""))
    as_of = _moment(request.POST.get("as_of", ""))
    service.ask_clean_up(actor=actor(request), as_of=as_of, expected=expected)
    return done(request, "The clean-up begins within a second.", to=reverse("retention"))


def _moment(text: str) -> datetime:
    try:
        found = parse_datetime(text)
    except ValueError:
        found = None
    if found is None or timezone.is_naive(found):
        raise InvalidInput("Look first at what would be removed.", field="as_of")
    return found


@require_POST
@page
def stop(request: HttpRequest, clean_up_id: int) -> HttpResponse:
    service.stop_clean_up(actor=actor(request), clean_up_id=clean_up_id)
    return done(request, "Stopped. What is removed stays removed.")

"""All tasks that match a filter: how many an action would be about, and the action, confirmed by typing that number."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from dashboard.views import actor, done, page
from dashboard.views.tasks import PRIORITIES, chips_of, url_of
from orchestration.errors import Conflict, DroverError, InvalidInput
from orchestration.models import Task
from orchestration.permissions import Action, Actor, refusal
from orchestration.policy.states import Priority
from orchestration.queries import TaskFilter
from orchestration.queries.ids import id_of
from orchestration.services import bulk

ACTIONS = ("cancel", "priority")


@require_http_methods(["GET", "HEAD", "POST"])
@page
def index(request: HttpRequest) -> HttpResponse:
    """What has come since the page was made is not touched, so that the number typed is the number meant."""
    task_filter = TaskFilter.from_query(request.GET)
    problem: DroverError | None = None
    if request.method == "POST":
        try:
            return _act(request, task_filter)
        except (Conflict, InvalidInput) as error:
            problem = error
    return _page(request, task_filter, problem)


def _act(request: HttpRequest, task_filter: TaskFilter) -> HttpResponse:
    action = request.POST.get("action", "")
    if action not in ACTIONS:
        raise InvalidInput("Choose what to do with them.")
    who, bounds = actor(request), {"expected": _confirmed(request), "up_to": id_of(request.POST.get("up_to", ""))}
    if action == "cancel":
        outcome = bulk.cancel_matching(actor=who, task_filter=task_filter, **bounds)
        words = f"Cancelled {_tasks(outcome.changed)}; what was running stops in a moment."
    else:
        wanted = id_of(request.POST.get("priority", ""))
        priority = -1 if wanted is None else wanted
        outcome = bulk.set_priority_matching(actor=who, task_filter=task_filter, priority=priority, **bounds)
        words = f"{_tasks(outcome.changed).capitalize()} now {'has' if outcome.changed == 1 else 'have'} " + (
            f"{Priority(priority).name.lower()} priority."
        )
    return done(request, f"{words}{_left_out(outcome)}", to=url_of(task_filter), level=_level(outcome))


def _confirmed(request: HttpRequest) -> int:
    """The number that was shown, typed again where it is a large one."""
    shown = id_of(request.POST.get("shown", "")) or 0
    typed = id_of("".join(request.POST.get("expected", "").replace(",", "").split()))
    if shown > bulk.UNCONFIRMED and typed != shown:
        raise InvalidInput(f"Type {shown} to confirm; nothing was changed.", field="expected")
    return shown


def _tasks(count: int) -> str:
    return f"{count:,} task{'' if count == 1 else 's'}"


def _left_out(outcome: bulk.Outcome) -> str:
    parts = []
    if outcome.foreign:
        parts.append(f"{outcome.foreign:,} of other people {'was' if outcome.foreign == 1 else 'were'} left alone")
    if outcome.moved_on:
        parts.append(f"{outcome.moved_on:,} had moved on")
    return f" {', '.join(parts)}." if parts else ""


def _level(outcome: bulk.Outcome) -> int:
    return messages.SUCCESS if outcome.changed else messages.WARNING


def _page(request: HttpRequest, task_filter: TaskFilter, problem: DroverError | None) -> HttpResponse:
    newest = Task.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    context = {
        "chips": chips_of(task_filter),
        "query": task_filter.to_query(),
        "back": url_of(task_filter),
        "up_to": newest,
        "actions": _offers(actor(request), task_filter, newest),
        "priorities": PRIORITIES,
        "problem": problem.message if problem else "",
        "failed": request.POST.get("action", ""),
    }
    return render(request, "tasks/matching.html", context, status=problem.http_status if problem else 200)


def _offers(who: Actor, task_filter: TaskFilter, newest: int) -> Sequence[dict[str, Any]]:
    if why_not := refusal(who, Action.CANCEL_TASK):
        return [{"name": name, "count": None, "foreign": 0, "why_not": why_not} for name in ACTIONS]
    found = {
        "cancel": bulk.cancellable(actor=who, task_filter=task_filter, up_to=newest),
        "priority": bulk.movable(actor=who, task_filter=task_filter, priority=None, up_to=newest),
    }
    return [_offer(name, len(match.ids), match.foreign) for name, match in found.items()]


def _offer(name: str, count: int, foreign: int) -> dict[str, Any]:
    why_not = "" if count else "These belong to somebody else." if foreign else "None of them can be changed."
    return {
        "name": name,
        "count": count,
        "foreign": foreign,
        "why_not": why_not,
        "typed": count > bulk.UNCONFIRMED,
    }

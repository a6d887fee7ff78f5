"""The form for a new task, empty, from an agent, or from an earlier task."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from dashboard.forms import TaskForm, initial_from_task, place
from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.errors import DroverError, NotAllowed
from orchestration.models import Task
from orchestration.payloads import DocumentPayload
from orchestration.queries.ids import id_of
from orchestration.services import tasks

PICKER_ROWS = 200


@page
def new(request: HttpRequest) -> HttpResponse:
    original = _original(request)
    agents, models = queries.agents(), queries.known_models()
    form_context: dict[str, Any] = {
        "agents": agents,
        "models": models,
        "documents": _documents(request, original),
        "kept_images": len(original.images) if original else 0,
        "initial": _initial(request, original, agents),
    }
    status = 200
    if request.method == "POST":
        form = TaskForm(request.POST, request.FILES, **form_context)
        if form.is_valid() and (url := _submit(request, form, original)):
            return done(request, "", to=url)
        status = 422
    else:
        form = TaskForm(**form_context)
    context = {
        "form": form,
        "models": models,
        "draft_key": "" if original or request.method == "POST" else "new-task",
        "context_budget": settings.DROVER_CONTEXT_TOKENS,
    }
    return render(request, "tasks/new.html", context, status=status)


def _original(request: HttpRequest) -> Task | None:
    """The task named by ``?from=task:12``, or by the hidden field that keeps it."""
    kind, _, number = (request.POST.get("origin") or request.GET.get("from") or "").partition(":")
    task_id = id_of(number) if kind == "task" else None
    return None if task_id is None else queries.get_task(task_id)


def _documents(request: HttpRequest, original: Task | None) -> list[DocumentPayload]:
    """The newest ones, after those that are chosen already."""
    asked = [*request.POST.getlist("documents"), *request.GET.getlist("document")]
    chosen = [pk for text in asked if (pk := id_of(text))]
    if original:
        chosen += original.documents.values_list("pk", flat=True)
    first = queries.documents_by_id(chosen)
    newest, _ = queries.documents(limit=PICKER_ROWS)
    return [*first, *(row for row in newest if row not in first)]


def _initial(request: HttpRequest, original: Task | None, agents: list[Any]) -> dict[str, Any]:
    if original:
        return initial_from_task(original)
    documents = {"documents": request.GET.getlist("document")}
    wanted = request.GET.get("agent")
    if wanted:
        return {"agent": queries.get_agent(wanted).pk, **documents}
    return {"agent": next((agent["id"] for agent in agents if agent["name"] == "default"), None), **documents}


def _submit(request: HttpRequest, form: TaskForm, original: Task | None) -> str:
    """Where the task can be watched; empty when the form has to be looked at again."""
    data = form.cleaned_data
    try:
        spec = form.spec(original)
        run = tasks.submit(
            actor=actor(request),
            agent=queries.get_agent(data["agent"]),
            specs=[spec],
            idempotency_key=form.idempotency_key(spec),
            allow_missing_models=data["allow_missing"],
        )
    except NotAllowed:
        raise
    except DroverError as error:
        place(form, error)
        return ""
    return reverse("task", args=[run.tasks.values_list("pk", flat=True)[0]])

"""Tasks: the list with its filters, one task in all its aspects, and what may be done to them."""

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from dashboard import blanks
from dashboard.papers import papers
from dashboard.phases import phases, verdict
from dashboard.tries import tries
from dashboard.views import actor, done, errands, page
from dashboard.waiting import why_it_waits
from orchestration import queries
from orchestration.errors import DroverError, InvalidInput
from orchestration.models import Task
from orchestration.payloads import TaskPayload, iso
from orchestration.permissions import Action, Actor, refusal
from orchestration.policy.errands import is_errand
from orchestration.policy.states import ACTIVE, ENDED, WAITING, Priority, TaskStatus
from orchestration.queries import TaskFilter
from orchestration.queries.ids import id_of
from orchestration.services import tasks

PAGE_ROWS = 100
MOST_FACETS = 12
FACETS = {
    "status": "State",
    "model": "Model",
    "node": "Node",
    "agent": "Agent",
    "owner": "Owner",
    "priority": "Priority",
    "type": "Type",
}
OPEN_FACETS = ("status", "model", "agent")
STATE_ICONS = {"pending": "waiting", "running": "generating"}
STATE_WORDS = {"pending": "waiting"}
CHIP_NAMES = {**{name: title.lower() for name, title in FACETS.items()}, "tag": "tag", "run": "run"}
SAMPLE_COMMAND = 'drover run-tasks default --tasks "generate:Say hello"'
PRIORITIES = tuple((priority.value, priority.name.lower()) for priority in Priority)
NO_OUTPUT = {
    "pending": "Not started yet.",
    "running": "No text yet.",
    "failed": "It failed before it said anything.",
    "cancelled": "It was cancelled before it said anything.",
}


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    task_filter = TaskFilter.from_query(request.GET)
    cursor = request.GET.get("cursor")
    found = queries.task_rows(task_filter, limit=PAGE_ROWS, cursor=cursor)
    query = task_filter.to_query()
    context = {
        "page": found,
        "filter": task_filter,
        "query": query,
        "cursor": cursor if found.prev_cursor else None,
        "next_query": _with_cursor(query, found.next_cursor),
        "prev_query": _with_cursor(query, found.prev_cursor),
        "chips": chips_of(task_filter),
        "facet_groups": _facet_groups(task_filter),
        "hidden_fields": [(name, value) for name, values in task_filter.sets().items() for value in sorted(values)],
        "blank_row": blanks.task_row(),
        "sample_command": SAMPLE_COMMAND,
    }
    return render(request, "tasks/index.html", context)


def _with_cursor(query: str, cursor: str | None) -> str:
    return f"{query}{'&' if query else ''}cursor={cursor or ''}"


def url_of(task_filter: TaskFilter) -> str:
    query = task_filter.to_query()
    return f"{reverse('tasks')}?{query}" if query else reverse("tasks")


def _toggled(task_filter: TaskFilter, name: str, value: str) -> str:
    return url_of(replace(task_filter, **{name: getattr(task_filter, name) ^ {value}}))


def chips_of(task_filter: TaskFilter) -> list[dict[str, str]]:
    chips = [
        {"name": CHIP_NAMES[name], "label": _word(name, value), "url": _toggled(task_filter, name, value)}
        for name, values in task_filter.sets().items()
        for value in sorted(values)
    ]
    if task_filter.text:
        chips.append({"name": "text", "label": task_filter.text, "url": url_of(replace(task_filter, text=""))})
    return chips


def _word(name: str, value: str) -> str:
    if name == "priority":
        return {"0": "high", "1": "normal", "2": "low"}.get(value, value)
    return STATE_WORDS.get(value, value) if name == "status" else value


def _facet_groups(task_filter: TaskFilter) -> list[dict[str, Any]]:
    found = queries.facets(task_filter)
    return [
        {
            "name": name,
            "title": title,
            "open": name in OPEN_FACETS or bool(getattr(task_filter, name)),
            "values": [
                {
                    "value": value,
                    "label": _word(name, label),
                    "count": count,
                    "active": value in getattr(task_filter, name),
                    "url": _toggled(task_filter, name, value),
                    "state": STATE_ICONS.get(value, value) if name == "status" else "",
                }
                for value, label, count in found[name][:MOST_FACETS]
            ],
        }
        for name, title in FACETS.items()
    ]


@require_safe
@page
def detail(request: HttpRequest, task_id: int) -> HttpResponse:
    row = queries.get_task(task_id)
    if is_errand(row.type):
        return errands.detail(request, row)
    task = queries.task_detail(task_id)
    now = timezone.now()
    attempts = task["attempt_list"]
    tab = request.GET.get("tab", "output")
    context = {
        "task": task,
        "tab": tab if tab in ("output", "prompt", "attempts", "raw") else "output",
        "tabs": _tabs(len(attempts)),
        "unfinished": row.status not in ENDED,
        "attempts": tries(attempts, now=now),
        "tries": row.tries + (row.status in ACTIVE or row.status == TaskStatus.COMPLETED),
        "max_tries": row.max_tries,
        "phases": phases(task, waited_since=row.waited_since, now=now),
        "verdict": verdict(task, attempts),
        "why": why_it_waits(row, task, actor(request)),
        "why_no_cancel": _why_not(actor(request), Action.CANCEL_TASK, row),
        "why_no_retry": _why_not(actor(request), Action.RETRY_TASK, row),
        "why_no_priority": refusal(actor(request), Action.EDIT_TASK, row) or "",
        "priorities": PRIORITIES if row.status in WAITING else (),
        "owner_limit": row.owner.max_concurrent_tasks if row.owner else None,
        "prompt": _prompt(row),
        "raw": _raw(request, row, task),
        "task_json": _small(row, task),
        **_output(row),
        **papers(row),
    }
    return render(request, "tasks/detail.html", context)


def _tabs(attempts: int) -> list[dict[str, Any]]:
    titles = {"output": "Output", "prompt": "Prompt", "attempts": "Attempts", "raw": "Raw"}
    return [
        {"name": name, "title": title, "count": attempts if name == "attempts" else 0} for name, title in titles.items()
    ]


def _why_not(who: Actor, action: Action, task: Task) -> str:
    """Why the button is off; empty when it works."""
    ended = task.status in ENDED
    if action == Action.CANCEL_TASK and ended:
        return f"It has ended: {task.status}."
    if action == Action.RETRY_TASK and not ended:
        return "It has not ended yet."
    if action == Action.RETRY_TASK and task.status == TaskStatus.COMPLETED:
        return "It completed. Edit as new runs it once more."
    if action == Action.CANCEL_TASK and task.cancel_requested_at:
        return "Its worker has been told to stop."
    return refusal(who, action, task) or ""


def _output(row: Task) -> dict[str, Any]:
    vectors = row.vectors or []
    head = ", ".join(f"{value:.4g}" for value in vectors[0][:6]) + ", …" if vectors and vectors[0] else ""
    return {
        "text": row.output,
        "vectors": {"count": len(vectors), "dimensions": len(vectors[0]), "head": head} if vectors else None,
        "tool_calls": [_tool_call(call) for call in row.tool_calls],
        "blank_call": {"name": "", "brief": "", "arguments": ""},
        "why_no_output": _why_no_output(row),
    }


def _why_no_output(row: Task) -> str:
    """A step that was cancelled because of another one says which."""
    said = row.error if row.status == "cancelled" else ""
    return said or NO_OUTPUT.get(row.status, "It ended without any text.")


def _tool_call(call: dict[str, Any]) -> dict[str, str]:
    function = call.get("function", call)
    arguments = function.get("arguments") or {}
    brief = ", ".join(f"{name}={value!r}" for name, value in arguments.items()) if isinstance(arguments, dict) else ""
    return {"name": str(function.get("name", "?")), "brief": brief, "arguments": json.dumps(arguments, indent=2)}


def _prompt(row: Task) -> dict[str, Any]:
    texts = row.input if isinstance(row.input, list) else [row.input]
    turns = [{"role": "text" if row.type == "embed" else "prompt", "text": text} for text in texts]
    if row.messages is not None:
        turns = [
            {"role": turn["role"], "text": turn.get("content", ""), "images": len(turn.get("images") or ())}
            for turn in row.messages
        ]
    settings = {**row.parameters, "format": row.format, "think": row.think, "timeout_seconds": row.timeout_seconds}
    return {
        "system": row.system_prompt,
        "turns": turns,
        "images": len(row.images),
        "settings": [(name, json.dumps(value)) for name, value in settings.items() if value is not None],
    }


def _raw(request: HttpRequest, row: Task, task: TaskPayload) -> dict[str, str]:
    last = task["attempt_list"][0]["request"] if task["attempt_list"] else None
    shown = {**task, "output": f"{len(row.vectors)} vectors"} if row.vectors else task
    return {
        "curl": _curl(request, row),
        "request": _pretty(last) if last else "",
        "metrics": _pretty(task["metrics"]),
        "task": _pretty(shown),
    }


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _curl(request: HttpRequest, row: Task) -> str:
    """The same task again through the API, to be pasted into a shell."""
    content = {"messages": row.messages} if row.messages is not None else {"input": row.input}
    asked = {"type": row.type, **content, "model_name": row.model_name, "parameters": row.parameters}
    body = {"agent_id": row.agent_name, "tasks": [{name: value for name, value in asked.items() if value}]}
    address = request.build_absolute_uri("/api/orchestration/tasks")
    return (
        f"curl -X POST {address} \\\n"
        '  -H "Authorization: Bearer $DROVER_API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False))}"
    )


def _small(row: Task, task: TaskPayload) -> dict[str, Any]:
    """What the page's script starts from; the text comes over the socket."""
    facts = dict(task)
    wanted = ("id", "status", "state", "phase", "title", "created_at", "started_at", "completed_at", "metrics")
    limit = row.options.get("num_predict")
    return {
        **{name: facts[name] for name in wanted},
        "ready_at": iso(row.ready_at),
        "limit": limit if limit and limit > 0 else None,
    }


@require_POST
@page
def cancel(request: HttpRequest, task_id: int) -> HttpResponse:
    task = tasks.cancel(actor=actor(request), task_id=task_id)
    return done(request, "Cancelled." if task.status == TaskStatus.CANCELLED else "Cancelling: its worker was told.")


@require_POST
@page
def retry(request: HttpRequest, task_id: int) -> HttpResponse:
    tasks.retry(actor=actor(request), task_id=task_id)
    return done(request, "Back in the line for another try.")


@require_POST
@page
def set_priority(request: HttpRequest, task_id: int) -> HttpResponse:
    wanted = id_of(request.POST.get("priority", ""))
    task = tasks.edit_waiting(actor=actor(request), task_id=task_id, priority=-1 if wanted is None else wanted)
    return done(request, f"Its priority is {Priority(task.priority).name.lower()} now.")


def _delete_one(*, actor: Actor, task_id: int) -> None:
    tasks.delete_ended(actor=actor, task_ids=[task_id])


BULK: dict[str, tuple[str, Callable[..., Any]]] = {
    "cancel": ("Cancelled", tasks.cancel),
    "retry": ("Retried", tasks.retry),
    "delete": ("Deleted", _delete_one),
}


@require_POST
@page
def bulk(request: HttpRequest) -> HttpResponse:
    """One action on many tasks: each for itself, so that one refusal does not hold up the others."""
    ids = list(filter(None, map(id_of, request.POST.getlist("ids"))))[: queries.tasks.MOST_ROWS]
    chosen = BULK.get(request.POST.get("action", ""))
    if not chosen or not ids:
        raise InvalidInput("Tick some tasks, then choose what to do with them.")
    word, service = chosen
    refused = []
    for task_id in ids:
        try:
            service(actor=actor(request), task_id=task_id)
        except DroverError as error:
            refused.append(error.message)
    message = f"{word} {len(ids) - len(refused)} of {len(ids)} tasks."
    if refused:
        return done(request, f"{message} {refused[0]}", level=messages.WARNING)
    return done(request, message)

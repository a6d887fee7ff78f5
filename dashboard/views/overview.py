"""The overview: what runs, what waits, what needs somebody, who did what."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from dashboard import blanks, pausing, waiting
from dashboard.templatetags.marks import series_of
from dashboard.views import actor, page
from orchestration import queries
from orchestration.payloads import AuditPayload, LoadSample, NodeLoad
from orchestration.permissions import Action, refusal
from orchestration.queries import TaskFilter

RUNNING_SHOWN = 12
ACTIVITY_SHOWN = 10
ACTIVITY_READ = 60
LINKED = {"task": "task", "agent": "agent", "node": "node"}


@page
def index(request: HttpRequest) -> HttpResponse:
    sample = queries.load_sample(timezone.now())
    running = queries.task_rows(TaskFilter(status=frozenset({"running"})), limit=RUNNING_SHOWN).rows
    known = {model["name"] for model in queries.known_models()}
    activity = queries.audit(limit=ACTIVITY_READ)
    who, paused = actor(request), queries.paused()
    context = {
        "sample": {**sample, "nodes": [_node(node) for node in sample["nodes"]]},
        "series": series_of(_model_names(sample)),
        "running": running,
        "lanes": waiting.lanes(),
        "activity": [_linked(entry) for entry in _gathered(activity)][:ACTIVITY_SHOWN],
        "attention": [*attention(sample, known), *pausing.attention(paused, who)],
        "queue_classes": pausing.queue_classes(paused, refusal(who, Action.PAUSE_FOR_ALL) or ""),
        "first_run": _first_run(sample, known),
        "blank_row": blanks.task_row(),
        "blank_model": blanks.model_load(),
        "blank_node": blanks.node_load(),
        "key_command": f"python manage.py create_api_key --user {request.user.get_username()} --name laptop",
    }
    return render(request, "overview/index.html", context)


def _model_names(sample: LoadSample) -> list[str]:
    resident = [model["name"] for node in sample["nodes"] for model in node["models"]]
    return [model["name"] for model in sample["models"]] + resident


def _node(node: NodeLoad) -> dict[str, Any]:
    return {**node, "known": node["status"] in ("healthy", "draining")}


def _gathered(entries: list[AuditPayload]) -> list[AuditPayload]:
    """Submissions of one person to one agent in a row are told once, with their sum."""
    told: list[AuditPayload] = []
    for entry in entries:
        last = told[-1] if told else None
        if last and entry["action"] == "run.submitted" and _told_of(last) == _told_of(entry):
            tasks = last["detail"].get("tasks", 0) + entry["detail"].get("tasks", 0)
            told[-1] = {**last, "object_id": None, "detail": {**last["detail"], "tasks": tasks}}
        else:
            told.append(entry)
    return told


def _told_of(entry: AuditPayload) -> tuple[str, str, str]:
    return entry["actor"], entry["action"], str(entry["detail"].get("agent"))


def _linked(entry: AuditPayload) -> dict[str, Any]:
    """The entry with words for its object and where that can be looked at."""
    if entry["object_type"] == "run":
        tasks = entry["detail"].get("tasks", 0)
        words = f"{tasks:,} task{'' if tasks == 1 else 's'}"
        return {**entry, "url": f"{reverse('tasks')}?{_submitted(entry)}", "object_name": words}
    if "filter" in entry["detail"]:
        return {**entry, "url": f"{reverse('tasks')}?{entry['detail']['filter']}"}
    route = LINKED.get(entry["object_type"])
    shown = bool(route and entry["object_id"]) and not entry["action"].endswith(".deleted")
    name = entry["object_name"].split(": ", 1)[-1] if entry["object_type"] == "task" else entry["object_name"]
    return {**entry, "url": reverse(str(route), args=[entry["object_id"]]) if shown else "", "object_name": name}


def _submitted(entry: AuditPayload) -> str:
    if entry["object_id"]:
        return f"run={entry['object_id']}"
    return TaskFilter(
        owner=frozenset({entry["actor"]}), agent=frozenset({str(entry["detail"].get("agent"))})
    ).to_query()


def _first_run(sample: LoadSample, known: set[str]) -> dict[str, Any] | None:
    """The checklist, until the first task has run."""
    counts = queries.task_counts()
    if counts["completed"] or counts["failed"] or counts["running"]:
        return None
    waiting = bool(counts["pending"] or counts["cancelled"])
    nodes = reverse("nodes")
    steps = [
        _step(
            "Connect a server", "Any machine that runs Ollama.", bool(sample["nodes"]), reverse("node-new"), "Add node"
        ),
        _step(
            "Have a model",
            "On the server: ollama pull llama3.2. It shows up here by itself.",
            bool(known),
            nodes,
            "Look",
        ),
        _step(
            "Run the first task",
            "One prompt; the answer streams to the page.",
            waiting,
            reverse("task-new"),
            "New task",
        ),
    ]
    for step in steps:
        if not step["done"]:
            step["current"] = True
            break
    return {"steps": steps, "done": sum(step["done"] for step in steps)}


def _step(title: str, text: str, done: bool, url: str, action: str) -> dict[str, Any]:
    return {"title": title, "text": text, "done": done, "url": url, "action": action, "current": False}


def attention(sample: LoadSample, known: set[str]) -> list[dict[str, str]]:
    """What somebody should look at, worst first."""
    totals, nodes, tasks = sample["totals"], reverse("nodes"), reverse("tasks")
    items = []
    if not totals["redis"]:
        items.append(
            _item("failed", "Redis does not answer", "nothing starts until it is back; no task is lost", nodes)
        )
    if not totals["workers_alive"]:
        note = "nothing can run: start one with python manage.py worker"
        items.append(_item("failed", "No worker is running", note, tasks))
    if not sample["nodes"]:
        items.append(_item("warn", "No node is connected", "tasks wait until there is one", reverse("node-new"), "Add"))
    items += _troubled_nodes(sample["nodes"])
    items += [
        _item(
            "warn", f"{model['name']} is on no node", f"{model['waiting']:,} wait for it", _waiting_for(model["name"])
        )
        for model in sample["models"]
        if model["waiting"] and model["name"] not in known
    ]
    failed = totals["failed_last_hour"]
    if failed:
        words = f"{failed:,} task{'' if failed == 1 else 's'} failed"
        items.append(_item("failed", words, "in the last hour", f"{tasks}?status=failed", "Look"))
    items += [
        _item("paused", f"{node['name']} drains", "it finishes what it has and takes nothing new", nodes, "Resume")
        for node in sample["nodes"]
        if node["status"] == "draining"
    ]
    if (totals["oldest_wait_seconds"] or 0) > 600:
        items.append(
            _item("warn", "A task waits for more than 10 minutes", "its row says why", f"{tasks}?status=waiting")
        )
    return items


def _troubled_nodes(nodes: Sequence[NodeLoad]) -> list[dict[str, str]]:
    url = reverse("nodes")
    unreachable = [
        _item("failed", f"{node['name']} is unreachable", node["reason"] or "no reason known", url, "Check")
        for node in nodes
        if node["status"] == "unhealthy"
    ]
    failing = [
        _item("warn", f"{node['name']} keeps failing", node["circuit"], url, "Look")
        for node in nodes
        if node["circuit"] and node["status"] in ("healthy", "draining")
    ]
    return unreachable + failing


def _waiting_for(model: str) -> str:
    return f"{reverse('tasks')}?{TaskFilter(status=frozenset({'pending'}), model=frozenset({model})).to_query()}"


def _item(state: str, title: str, note: str, url: str, action: str = "") -> dict[str, str]:
    return {
        "state": state,
        "icon": state,
        "title": title,
        "note": note,
        "url": url,
        "action": action,
        "action_url": url if action else "",
    }

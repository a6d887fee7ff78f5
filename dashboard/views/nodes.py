"""Nodes and what is on them: listed, added, changed, drained, removed, and examined by the doctor."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from dashboard.forms import saved
from dashboard.node_forms import NodeForm, RestForm, SearchForm, initial_from_node
from dashboard.templatetags.marks import series_of
from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.engine.doctor import Check, check_node, checks
from orchestration.engine.scan import search
from orchestration.errors import DroverError, InvalidInput, InvalidNodeAddress
from orchestration.models import Node, Task
from orchestration.ollama.addresses import AddressPolicy, check_url
from orchestration.ollama.headers import AUTHORIZATION
from orchestration.payloads import NodeModelPayload, NodePayload
from orchestration.payloads.node_reports import InFlightPayload
from orchestration.permissions import Action, Actor, allowed, refusal, require
from orchestration.policy.versions import spread
from orchestration.queries import node_reports
from orchestration.services import discovery, node_headers
from orchestration.services import nodes as service

KNOWN = ("healthy", "draining")
RANGES = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
DEFAULT_RANGE = "24h"
SECRET_FIELDS = ("token", "user", "password", "headers")
WORDS = {True: ("completed", "ok"), False: ("failed", "failed"), None: ("blocked", "not tried")}


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    found = queries.nodes()
    context = {
        **_shared(request, found),
        "nodes": [_card(node) for node in found],
        "model_count": len({model["name"] for node in found for model in node["models"]}),
        "versions": spread({node["name"]: node["ollama_version"] or "" for node in found if node["enabled"]}),
    }
    return render(request, "nodes/index.html", context)


def _shared(request: HttpRequest, found: Sequence[NodePayload]) -> dict[str, Any]:
    return {
        "series": series_of({model["name"] for node in found for model in node["models"]}),
        "paused_models": queries.pauses.paused_models(),
        "why_not": refusal(actor(request), Action.EDIT_NODE),
    }


@require_safe
@page
def detail(request: HttpRequest, node_id: int) -> HttpResponse:
    chosen = request.GET.get("range", "")
    span = RANGES.get(chosen, RANGES[DEFAULT_RANGE])
    report = node_reports.node_report(node_id, now=timezone.now(), span=span)
    me = actor(request)
    context = {
        **_shared(request, [report["node"]]),
        **report,
        "node": _card(report["node"]),
        "range": chosen if chosen in RANGES else DEFAULT_RANGE,
        "ranges": list(RANGES),
        "cancellable": _cancellable(me, report["running"]),
        "rest_form": RestForm(),
        "on_disk": sum(model["size_bytes"] for model in report["node"]["models"] if model["installed"]),
    }
    return render(request, "nodes/detail.html", context)


def _cancellable(me: Actor, running: Sequence[InFlightPayload]) -> set[int]:
    tasks = Task.objects.only("owner_id").filter(pk__in=[row["task_id"] for row in running])
    return {task.pk for task in tasks if allowed(me, Action.CANCEL_TASK, task)}


def _card(node: NodePayload) -> dict[str, Any]:
    """The node as its card shows it. What is in use right now comes over the socket."""
    loaded = [model for model in node["models"] if model["loaded"]]
    known = node["status"] in KNOWN
    latency = node["latency_seconds"]
    return {
        **node,
        "known": known,
        "latency_ms": None if latency is None else max(1, round(latency * 1000)),
        "load": {"models": loaded, "running": "—", "slots": None, **_memory(node, loaded if known else None)},
    }


def _memory(node: NodePayload, loaded: Sequence[NodeModelPayload] | None) -> dict[str, int | None]:
    """None for ``loaded``: of a node that does not answer it is not known."""
    used = None if loaded is None else sum(model["vram_bytes"] or 0 for model in loaded)
    held = None if loaded is None else sum(model["loaded_bytes"] or 0 for model in loaded)
    return {"vram_used_bytes": used, "loaded_bytes": held, "vram_bytes": node["vram_bytes"]}


@sensitive_post_parameters()
@page
def new(request: HttpRequest) -> HttpResponse:
    given = {name: request.GET[name][:300] for name in ("base_url", "name") if name in request.GET}
    form = NodeForm(request.POST or None, initial={"slots_per_model": settings.DROVER_SLOTS_PER_MODEL, **given})
    if request.method == "POST" and form.is_valid() and "check" not in request.POST:
        made = saved(form, lambda: service.create(actor=actor(request), **form.values()))
        if made:
            return done(request, f"{made.name} is connected; its models appear in a moment.", to=reverse("nodes"))
    return _form(request, form, None)


@sensitive_post_parameters()
@page
def edit(request: HttpRequest, node_id: int) -> HttpResponse:
    node = queries.get_node(node_id)
    form = NodeForm(request.POST or None, initial=initial_from_node(node))
    if request.method == "POST" and form.is_valid() and "check" not in request.POST:
        values = form.values()
        if saved(form, lambda: service.update(actor=actor(request), node_id=node_id, **values)):
            return done(request, f"{node.name} is saved.", to=reverse("node", args=[node_id]))
    return _form(request, form, node)


def _form(request: HttpRequest, form: NodeForm, node: Node | None) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "node": node,
        "other_headers": [name for name in node.header_names if name != AUTHORIZATION] if node else [],
        "why_not": refusal(actor(request), Action.EDIT_NODE),
    }
    if "check" in request.POST and form.is_valid():
        require(actor(request), Action.EDIT_NODE)
        data = form.cleaned_data
        context["checks"] = _examined(data["base_url"], data["verify_tls"], _sealed(form, node))
    return render(request, "nodes/form.html", context, status=422 if form.errors else 200)


@require_POST
@page
def delete(request: HttpRequest, node_id: int) -> HttpResponse:
    name = queries.get_node(node_id).name
    service.delete(actor=actor(request), node_id=node_id)
    return done(request, f"{name} is removed.", to=reverse("nodes"))


def _sealed(form: NodeForm, node: Node | None) -> str:
    """What the server would be sent. Raises what the domain has against it."""
    rules = AddressPolicy(allow_private=settings.DROVER_ALLOW_PRIVATE_NODES)
    url = check_url(form.cleaned_data["base_url"], rules)
    return node_headers.of_form(form.secrets(), node=node, base_url=url)


@require_POST
@page
def drain(request: HttpRequest, node_id: int) -> HttpResponse:
    draining = request.POST.get("draining") == "1"
    form = RestForm(request.POST)
    if not form.is_valid():
        raise InvalidInput("A rest has a note of at most 200 characters, and one of the times to choose from.")
    rest = {"note": form.cleaned_data["note"], "until": form.until()} if draining else {}
    node = service.set_draining(actor=actor(request), node_id=node_id, draining=draining, **rest)
    return done(request, f"{node.name} finishes what it has." if draining else f"{node.name} takes work again.")


@require_POST
@page
def reset_circuit(request: HttpRequest, node_id: int) -> HttpResponse:
    node = service.reset_circuit(actor=actor(request), node_id=node_id)
    return done(request, f"{node.name} gets work again.")


@require_POST
@page
def check(request: HttpRequest, node_id: int) -> HttpResponseBase:
    """The doctor for a node that is known."""
    require(actor(request), Action.EDIT_NODE)
    node = queries.get_node(node_id)
    if _wants_ticks(request):
        return _ticks(node.base_url, node.verify_tls, node.sealed_headers)
    context = {"node": node, "checks": _examined(node.base_url, node.verify_tls, node.sealed_headers)}
    return render(request, "nodes/doctor.html", context)


@sensitive_post_parameters()
@require_POST
@page
def probe(request: HttpRequest) -> HttpResponseBase:
    """The doctor for an address that is only typed in, with what is typed in beside it."""
    require(actor(request), Action.EDIT_NODE)
    form = NodeForm(request.POST)
    form.full_clean()
    wrong = [name for name in ("base_url", *SECRET_FIELDS) if name in form.errors]
    if wrong:
        raise InvalidInput(f"{form.fields[wrong[0]].label}: {form.errors[wrong[0]][0]}", field=wrong[0])
    node = queries.get_node(request.GET["node"]) if "node" in request.GET else None
    address, verify_tls = form.cleaned_data["base_url"], form.cleaned_data["verify_tls"]
    try:
        sealed = _sealed(form, node)
    except InvalidNodeAddress:
        sealed = ""  # the doctor says what is wrong with it
    return _ticks(address, verify_tls, sealed)


@page
def discover(request: HttpRequest) -> HttpResponse:
    """Asks many addresses whether Ollama answers there; takes up to a minute."""
    form = SearchForm(request.POST or None)
    context: dict[str, Any] = {"form": form, "why_not": refusal(actor(request), Action.EDIT_NODE)}
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        urls = saved(form, lambda: discovery.begin(actor=actor(request), **asked))
        if urls is not None:
            names = discovery.known()
            outcome = async_to_sync(search)(urls)
            context["outcome"] = outcome
            context["servers"] = [(found, names.get(found.base_url)) for found in outcome.found]
    return render(request, "nodes/discover.html", context, status=422 if form.errors else 200)


def _wants_ticks(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "") == "text/x-ticks"


def _examined(address: str, verify_tls: bool, headers: str) -> list[dict[str, str]]:
    try:
        found = async_to_sync(check_node)(address, verify_tls=verify_tls, headers=headers)
    except DroverError as error:
        found = [Check(name="Address", ok=False, message=error.message)]
    return [_tick(item) for item in found]


def _tick(item: Check) -> dict[str, str]:
    state, word = WORDS[item.ok]
    return {"name": item.name, "message": item.message, "fix": item.fix, "state": state, "icon": state, "word": word}


def _ticks(address: str, verify_tls: bool, headers: str) -> StreamingHttpResponse:
    """One list item a line, each as soon as it is known."""
    return StreamingHttpResponse(_lines(address, verify_tls, headers), content_type="text/x-ticks; charset=utf-8")


async def _lines(address: str, verify_tls: bool, headers: str) -> AsyncIterator[str]:
    try:
        async for item in checks(address, verify_tls=verify_tls, headers=headers):
            yield _line(item)
    except DroverError as error:
        yield _line(Check(name="Address", ok=False, message=error.message))


def _line(item: Check) -> str:
    return render_to_string("nodes/_tick.html", {"check": _tick(item)}).replace("\n", " ").strip() + "\n"

"""Nodes and what is on them: listed, added, changed, drained, removed, and examined by the doctor."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.forms import NodeForm, initial_from_node, saved
from dashboard.templatetags.marks import series_of
from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.engine.doctor import Check, check_node, checks
from orchestration.errors import DroverError, InvalidInput
from orchestration.models import Node
from orchestration.payloads import NodeModelPayload, NodePayload
from orchestration.permissions import Action, refusal, require
from orchestration.services import nodes as service

KNOWN = ("healthy", "draining")
WORDS = {True: ("completed", "ok"), False: ("failed", "failed"), None: ("blocked", "not tried")}


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    found = queries.nodes()
    names = {model["name"] for node in found for model in node["models"]}
    context = {
        "nodes": [_card(node) for node in found],
        "model_count": len(names),
        "series": series_of(names),
        "paused_models": queries.pauses.paused_models(),
        "why_not": refusal(actor(request), Action.EDIT_NODE),
    }
    return render(request, "nodes/index.html", context)


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


@page
def new(request: HttpRequest) -> HttpResponse:
    form = NodeForm(request.POST or None, initial={"slots_per_model": settings.DROVER_SLOTS_PER_MODEL})
    if request.method == "POST" and form.is_valid() and "check" not in request.POST:
        made = saved(form, lambda: service.create(actor=actor(request), **form.values()))
        if made:
            return done(request, f"{made.name} is connected; its models appear in a moment.", to=reverse("nodes"))
    return _form(request, form, None)


@page
def edit(request: HttpRequest, node_id: int) -> HttpResponse:
    node = queries.get_node(node_id)
    form = NodeForm(request.POST or None, initial=initial_from_node(node))
    if request.method == "POST" and form.is_valid() and "check" not in request.POST:
        values = form.values()
        if saved(form, lambda: service.update(actor=actor(request), node_id=node_id, **values)):
            return done(request, f"{node.name} is saved.", to=reverse("nodes"))
    return _form(request, form, node)


def _form(request: HttpRequest, form: NodeForm, node: Node | None) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "node": node, "why_not": refusal(actor(request), Action.EDIT_NODE)}
    if "check" in request.POST and form.is_valid():
        require(actor(request), Action.EDIT_NODE)
        context["checks"] = _examined(form.cleaned_data["base_url"], form.cleaned_data["verify_tls"])
    return render(request, "nodes/form.html", context, status=422 if form.errors else 200)


@require_POST
@page
def delete(request: HttpRequest, node_id: int) -> HttpResponse:
    name = queries.get_node(node_id).name
    service.delete(actor=actor(request), node_id=node_id)
    return done(request, f"{name} is removed.", to=reverse("nodes"))


@require_POST
@page
def drain(request: HttpRequest, node_id: int) -> HttpResponse:
    draining = request.POST.get("draining") == "1"
    node = service.set_draining(actor=actor(request), node_id=node_id, draining=draining)
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
        return _ticks(node.base_url, node.verify_tls)
    context = {"node": node, "checks": _examined(node.base_url, node.verify_tls)}
    return render(request, "nodes/doctor.html", context)


@require_POST
@page
def probe(request: HttpRequest) -> HttpResponseBase:
    """The doctor for an address that is only typed in."""
    require(actor(request), Action.EDIT_NODE)
    address = request.POST.get("base_url", "").strip()
    if not address:
        raise InvalidInput("Give an address first.", field="base_url")
    return _ticks(address, "verify_tls" in request.POST)


def _wants_ticks(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "") == "text/x-ticks"


def _examined(address: str, verify_tls: bool) -> list[dict[str, str]]:
    try:
        found = async_to_sync(check_node)(address, verify_tls=verify_tls)
    except DroverError as error:
        found = [Check(name="Address", ok=False, message=error.message)]
    return [_tick(item) for item in found]


def _tick(item: Check) -> dict[str, str]:
    state, word = WORDS[item.ok]
    return {"name": item.name, "message": item.message, "fix": item.fix, "state": state, "icon": state, "word": word}


def _ticks(address: str, verify_tls: bool) -> StreamingHttpResponse:
    """One list item a line, each as soon as it is known."""
    return StreamingHttpResponse(_lines(address, verify_tls), content_type="text/x-ticks; charset=utf-8")


async def _lines(address: str, verify_tls: bool) -> AsyncIterator[str]:
    try:
        async for item in checks(address, verify_tls=verify_tls):
            yield _line(item)
    except DroverError as error:
        yield _line(Check(name="Address", ok=False, message=error.message))


def _line(item: Check) -> str:
    return render_to_string("nodes/_tick.html", {"check": _tick(item)}).replace("\n", " ").strip() + "\n"

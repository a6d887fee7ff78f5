"""Asking nodes to do something with models: each errand is a task for one node, and those asked for together a run."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

from orchestration.errors import Conflict, InvalidInput, NotFound, Unprocessable
from orchestration.models import Lane, Node, NodeModel, Pull, Run, Task
from orchestration.ollama.wire import InstalledModel, LoadedModel
from orchestration.permissions import Action, Actor, require
from orchestration.policy.context import bucket
from orchestration.policy.errands import AT_NODES, NO_CONTEXT
from orchestration.policy.routing import full_name
from orchestration.policy.states import UNFINISHED, ErrandType, Priority, RunKind, TaskStatus
from orchestration.queries.facts import usual_contexts
from orchestration.queries.pulls import expected_bytes
from orchestration.services import audit, errand_checks, inventory
from orchestration.services.again import atomic_again
from orchestration.services.announce import announce_node, announce_tasks
from orchestration.services.routes import lane_of
from orchestration.services.submission import check_room

MOST = 500
"""Errands asked for at once."""
LONGEST_NAME = 200
_NAME = re.compile(r"[^\s\x00-\x1f\"'<>\\]+")
_VERBS = {
    ErrandType.PULL: "Pull",
    ErrandType.LOAD: "Load",
    ErrandType.UNLOAD: "Unload",
    ErrandType.DELETE: "Delete",
    ErrandType.COPY: "Copy",
}

Place = tuple[str, int]
"""A model's full name and a node's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What came of asking: the run, and every task that does it. ``under_way``: those that others had asked for."""

    run: Run
    tasks: list[Task]
    under_way: list[Task]


def submit(
    *,
    actor: Actor,
    type: ErrandType,
    models: Sequence[str],
    node_ids: Sequence[int] | None = None,
    parameters: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    request_hash: str = "",
) -> Run:
    """One task for each model on each node; without ``node_ids`` on every enabled one where it makes sense."""
    return order(
        actor=actor,
        type=type,
        places=places_of(type, models, node_ids),
        parameters={**(parameters or {}), "spelled": spelled(models)},
        idempotency_key=idempotency_key,
        request_hash=request_hash,
    ).run


def places_of(type: ErrandType, models: Sequence[str], node_ids: Sequence[int] | None) -> list[Place]:
    """Raises NotFound for nodes that are not there, and Unprocessable where no node comes into question."""
    names = list(dict.fromkeys(_checked_name(name) for name in models))
    if not names:
        raise InvalidInput("Name a model.", field="models")
    if node_ids is not None:
        return [(name, node_id) for name in names for node_id in dict.fromkeys(node_ids)]
    enabled = list(Node.objects.filter(enabled=True).values_list("pk", flat=True))
    if type == ErrandType.PULL:
        if not enabled:
            raise Unprocessable("There is no enabled node to pull to.")
        return [(name, node_id) for name in names for node_id in enabled]
    state = {"loaded": True} if type == ErrandType.UNLOAD else {"installed": True}
    rows = NodeModel.objects.filter(node__in=enabled, model__name__in=names, **state).order_by("model__name", "node")
    found = list(rows.values_list("model__name", "node_id"))
    if missing := [name for name in names if name not in {model for model, _ in found}]:
        where = "in memory" if type == ErrandType.UNLOAD else "on its disk"
        raise Unprocessable(f"No enabled node has {missing[0]} {where}.", model=missing[0])
    return found


def spelled(models: Sequence[str]) -> dict[str, str]:
    """Names as they were typed, where that may matter: other registries tell capitals from small letters."""
    typed = {full_name(name): name.strip() for name in models}
    return {full: name for full, name in typed.items() if "/" in full and name.lower() != name}


@atomic_again
def order(
    *,
    actor: Actor,
    type: ErrandType,
    places: Sequence[Place],
    parameters: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    request_hash: str = "",
) -> Order:
    """An errand that is unfinished already is not doubled. ``parameters``: ``force``, ``num_ctx``, ``destination``, and
    ``spelled``, names as they were typed.

    Raises InvalidInput, NotFound, Unprocessable, NoDiskRoom, ModelInUse, TooManyWaiting, and Conflict for an
    idempotency key that was used for something else.
    """
    require(actor, Action.EDIT_MODEL)
    if known := earlier(actor, idempotency_key, request_hash):
        return known
    given = _checked_parameters(type, parameters or {})
    nodes = _nodes(places)
    errand_checks.check(type, places, nodes, force=bool(given.get("force")))
    contexts = {} if type in AT_NODES else _contexts(places, given.get("num_ctx"))
    lanes = _lanes(type, places, contexts)
    begun = _under_way(lanes, given)
    fresh = [place for place in places if place not in begun]
    if not fresh:
        tasks = list(begun.values())
        return Order(run=tasks[0].run, tasks=tasks, under_way=tasks)
    check_room(actor, len(fresh))
    run = _run(actor, _title(type, fresh, nodes, given), idempotency_key, request_hash)
    tasks = _create(run, actor, type, {place: lanes[place] for place in fresh}, nodes, given)
    errand_checks.prepare(type, fresh)
    detail = {"models": sorted({model for model, _ in fresh}), "nodes": sorted({nodes[pk].name for _, pk in fresh})}
    audit.record(actor, f"model.{type}", run, **detail, **given)
    announce_tasks([task.pk for task in tasks], wake=True)
    return Order(run=run, tasks=[*tasks, *begun.values()], under_way=list(begun.values()))


def earlier(actor: Actor, key: str | None, request_hash: str) -> Order | None:
    """What this very request has made before. Raises Conflict where the key was used for another one."""
    run = Run.objects.filter(owner_id=actor.user_id, idempotency_key=key).first() if key else None
    if run is None:
        return None
    if run.request_hash != request_hash:
        raise Conflict("This Idempotency-Key was used for a different request; use a new one.", run_id=run.pk)
    return Order(run=run, tasks=list(run.tasks.light().order_by("position")), under_way=[])


def _checked_name(name: str) -> str:
    full = full_name(name)
    if not _NAME.fullmatch(full) or len(full) > LONGEST_NAME or full.startswith(("-", "/", ":")):
        raise InvalidInput(f"{name.strip()[:80]!r} is not a model's name; one is like llama3.2:3b.", field="model")
    return full


def _checked_parameters(type: ErrandType, given: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in given.items() if value not in (None, False, {})}
    if type != ErrandType.PULL:
        kept.pop("spelled", None)
    if type == ErrandType.COPY:
        kept["destination"] = _checked_name(str(kept.get("destination", "")))
    return kept


def _nodes(places: Sequence[Place]) -> dict[int, Node]:
    if not 1 <= len(places) <= MOST:
        raise InvalidInput(f"Ask for 1 to {MOST} things at a time, not {len(places)}.", field="nodes")
    nodes = Node.objects.in_bulk({node_id for _, node_id in places})
    if missing := [node_id for _, node_id in places if node_id not in nodes]:
        raise NotFound(f"There is no node {missing[0]}.")
    return nodes


def _lanes(type: ErrandType, places: Sequence[Place], contexts: Mapping[Place, int]) -> dict[Place, Lane]:
    """Locked, in one order whoever asks for them."""
    found = {
        (model, node_id): lane_of(None, type, [model], contexts.get((model, node_id), NO_CONTEXT), node_id=node_id)
        for model, node_id in places
    }
    wanted = Lane.objects.select_for_update(no_key=True).filter(pk__in=[lane.pk for lane in found.values()])
    locked = {lane.pk: lane for lane in wanted.order_by("pk")}
    return {place: locked[lane.pk] for place, lane in found.items()}


def _contexts(places: Sequence[Place], asked: int | None) -> dict[Place, int]:
    """As asked for, as pinned, or as its tasks usually want it."""
    if asked:
        return dict.fromkeys(places, bucket(asked, default=asked))
    names = {model for model, _ in places}
    rows = NodeModel.objects.filter(model__name__in=names, pinned=True).exclude(pinned_context=None)
    pinned = {(model, node): size for model, node, size in rows.values_list("model__name", "node", "pinned_context")}
    usual = usual_contexts(names)
    return {place: pinned.get(place) or usual[place[0]] for place in places}


def _under_way(lanes: Mapping[Place, Lane], given: Mapping[str, Any]) -> dict[Place, Task]:
    """By place, what is unfinished of the same kind. The lanes are locked, so nobody can begin one meanwhile."""
    places = {lane.pk: place for place, lane in lanes.items()}
    rows = Task.objects.light().select_related("run").filter(lane__in=places, status__in=UNFINISHED)
    if "destination" in given:
        rows = rows.filter(parameters__destination=given["destination"])
    found = {places[task.lane_id]: task for task in rows.order_by("-pk")}
    return {place: found[place] for place in lanes if place in found}


def _title(type: ErrandType, places: Sequence[Place], nodes: Mapping[int, Node], given: Mapping[str, Any]) -> str:
    models, names = {model for model, _ in places}, {nodes[pk].name for _, pk in places}
    what = min(models) if len(models) == 1 else f"{len(models)} models"
    to = f" to {given['destination']}" if type == ErrandType.COPY else ""
    where = min(names) if len(names) == 1 else f"{len(names)} nodes"
    return f"{_VERBS[type]} {what}{to} on {where}"[:160]


def _run(actor: Actor, title: str, key: str | None, request_hash: str) -> Run:
    return Run.objects.create(
        kind=RunKind.SINGLE,
        title=title,
        owner_id=actor.user_id,
        agent_name="",
        continue_on_error=True,
        idempotency_key=key or None,
        request_hash=request_hash,
    )


def _create(
    run: Run,
    actor: Actor,
    type: ErrandType,
    lanes: Mapping[Place, Lane],
    nodes: Mapping[int, Node],
    given: Mapping[str, Any],
) -> list[Task]:
    now = timezone.now()
    tasks = Task.objects.bulk_create(
        [
            _task(run, actor, type, lane, _title(type, [place], nodes, given), number, given, now)
            for number, (place, lane) in enumerate(lanes.items())
        ]
    )
    if type == ErrandType.PULL:
        sizes = {model: expected_bytes(model) for model in {model for model, _ in lanes}}
        Pull.objects.bulk_create(
            [Pull(task=task, total_bytes=sizes[task.model_name], updated_at=now) for task in tasks]
        )
    return tasks


def _task(
    run: Run,
    actor: Actor,
    type: ErrandType,
    lane: Lane,
    title: str,
    position: int,
    given: Mapping[str, Any],
    now: datetime,
) -> Task:
    """Nobody's part of the fleet pays for what is done at a node. Its answer is none that people search for."""
    return Task(
        run=run,
        position=position,
        owner_id=actor.user_id,
        share=0 if type in AT_NODES else actor.user_id or 0,
        agent_name="",
        lane=lane,
        type=type,
        title=title,
        status=TaskStatus.PENDING,
        priority=Priority.HIGH if type == ErrandType.LOAD else Priority.NORMAL,
        line_at=now,
        ready_at=now,
        max_tries=settings.DROVER_MAX_TRIES,
        model_name=lane.models[0],
        parameters=dict(given),
        gathered=True,
    )


@atomic_again
def looked(
    *, node_id: int, installed: Sequence[InstalledModel] | None, loaded: Sequence[LoadedModel], now: datetime
) -> None:
    """What the node has after an errand; a poll that began earlier tells nothing new about its memory any more. An
    errand takes one model away at most: where several would be gone, the next poll has to say so, too."""
    node = Node.objects.select_for_update(no_key=True).filter(pk=node_id).first()
    if node is None:
        return
    believed = installed or node.node_models.filter(installed=True).count() < 2
    inventory.record(node, installed=installed if believed else None, loaded=loaded)
    node.polled_at = now
    node.listed_at = now if installed is not None else node.listed_at
    node.save(update_fields=["learned_bytes", "polled_at", "listed_at"])
    announce_node(node)

"""Loads that have begun: what the loader is to do, and what becomes of a load that succeeded or failed.

Fenced by the plan's token: whoever comes after the plan is gone changes nothing and is told so.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from orchestration import events
from orchestration.errors import MalformedAnswer, OllamaError, Unreachable
from orchestration.models import Lane, LoadPlan, ModelConfig, Node, NodeModel, NodeVariant, OllamaModel, Pause, Task
from orchestration.ollama.wire import LoadedModel
from orchestration.policy.learning import load_mean
from orchestration.policy.retries import grown
from orchestration.policy.states import NodeHealth, PauseKind, TaskStatus
from orchestration.queries.facts import model_facts
from orchestration.services import inventory, load_failures, setbacks
from orchestration.services.again import atomic_again
from orchestration.services.announce import announce_node
from orchestration.services.fields import cut
from orchestration.services.work import LONGEST

ERROR_LENGTH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadJob:
    """A load that has begun. ``evict``: (model, num_ctx) that Drover unloads first; empty where nobody knows how much
    memory the node has, because Ollama itself evicts there what it must. ``headers`` are the node's, sealed."""

    node_id: int
    node_name: str
    base_url: str
    verify_tls: bool
    token: str
    model: str
    num_ctx: int
    evict: tuple[tuple[str, int], ...]
    keep_alive: timedelta
    options: dict[str, Any]
    """Those that a loaded model is known by: the tasks that it is loaded for send the same."""
    headers: str = field(default="", repr=False)


def begun() -> list[LoadJob]:
    """Every load that has begun and is not over; one a node."""
    plans = LoadPlan.objects.exclude(loading_since=None).filter(node__enabled=True).select_related("node")
    return [_job(plan, plan.node) for plan in plans]


def _job(plan: LoadPlan, node: Node) -> LoadJob:
    facts = model_facts(node.pk, plan.model_name)
    return LoadJob(
        node_id=node.pk,
        node_name=node.name,
        base_url=node.base_url,
        verify_tls=node.verify_tls,
        token=plan.token,
        model=plan.model_name,
        num_ctx=plan.num_ctx,
        evict=() if node.vram_bytes is None else tuple((model, num_ctx) for model, num_ctx in plan.victims),
        keep_alive=timedelta(seconds=min(LONGEST.total_seconds(), facts.keep_alive_seconds)),
        options={**facts.runner_options, "num_ctx": plan.num_ctx},
        headers=node.sealed_headers,
    )


@atomic_again
def loaded(*, node_id: int, token: str, seconds: float | None, loaded: Sequence[LoadedModel], now: datetime) -> bool:
    """The load is over. ``loaded``: what the node has in memory now; ``seconds`` is None where nothing was measured.

    A model that the node does not list after it said that it loaded it counts as not loaded.
    """
    found = _end(node_id, token)
    if found is None:
        return False
    node, plan = found
    shown = inventory.by_name(loaded).get(plan.model_name)
    shared = None if shown else inventory.note_sharing(node, plan.model_name, plan.num_ctx, loaded)
    if shown is None and shared is None:
        words = f"{node.name} said that it loaded {plan.model_name}, but does not list it"
        _note_failure(node, plan, MalformedAnswer(words), loaded, now)
        return True
    _look(node, loaded, now)
    told = shown.context_length if shown else None
    num_ctx = told if told and told <= inventory.LARGEST_INTEGER else plan.num_ctx
    NodeModel.objects.filter(node=node, model__name=plan.model_name).update(loaded_context=num_ctx)
    _learn_context(plan, num_ctx)
    _note_load(node, plan, num_ctx, shown, seconds, now)
    if num_ctx < plan.num_ctx and _trained(plan.model_name) != num_ctx:
        # Else it would be loaded again at once, for those who need more, and again.
        words = f"it was loaded with a context of {num_ctx} instead of {plan.num_ctx}"
        _back_off(node, plan, MalformedAnswer(words), now)
    announce_node(node)
    return True


@atomic_again
def load_failed(
    *, node_id: int, token: str, error: OllamaError, loaded: Sequence[LoadedModel] | None = None, now: datetime
) -> bool:
    """The load is over without a model. ``loaded``: what the node has in memory now, where it still tells."""
    found = _end(node_id, token)
    if found is None:
        return False
    _note_failure(*found, error, loaded, now)
    return True


@transaction.atomic
def forget_node(node_id: int) -> None:
    """Nobody knows what such a node has in memory when it comes back. Its load is given up."""
    LoadPlan.objects.filter(pk=node_id).delete()
    NodeVariant.objects.filter(node_id=node_id).exclude(loaded_at=None).update(loaded_at=None)


def _end(node_id: int, token: str) -> tuple[Node, LoadPlan] | None:
    """The node, locked, and the plan, which is deleted: only one can end it."""
    node = Node.objects.select_for_update(no_key=True).filter(pk=node_id).first()
    plan = LoadPlan.objects.filter(pk=node_id, token=token).first()
    if node is None or plan is None or not LoadPlan.objects.filter(pk=node_id, token=token).delete()[0]:
        return None
    return node, plan


def _look(node: Node, loaded: Sequence[LoadedModel], now: datetime) -> None:
    """As a poll does it; one that began earlier tells nothing new about the memory any more."""
    inventory.record(node, loaded=loaded)
    node.polled_at = now
    node.save(update_fields=["learned_bytes", "polled_at"])


def _learn_context(plan: LoadPlan, num_ctx: int) -> None:
    """Ollama cuts a context to the one the model was trained with, which old servers do not tell otherwise."""
    if num_ctx < plan.num_ctx:
        OllamaModel.objects.filter(name=plan.model_name, context_length=None).update(context_length=num_ctx)


def _trained(model_name: str) -> int | None:
    return OllamaModel.objects.filter(name=model_name).values_list("context_length", flat=True).first()


def _note_load(
    node: Node, plan: LoadPlan, num_ctx: int, shown: LoadedModel | None, seconds: float | None, now: datetime
) -> None:
    variant, _ = NodeVariant.objects.get_or_create(node=node, model_name=plan.model_name, num_ctx=num_ctx)
    variant.loaded_at = now
    variant.last_load_seconds = seconds
    variant.size_bytes = shown.size_bytes if shown else variant.size_bytes
    if seconds is not None and shown:
        variant.load_seconds = load_mean(variant.load_seconds, seconds)
    variant.save(update_fields=["loaded_at", "last_load_seconds", "size_bytes", "load_seconds"])
    sizes = {num_ctx} if num_ctx < plan.num_ctx else {num_ctx, plan.num_ctx}
    failed = NodeVariant.objects.filter(node=node, model_name=plan.model_name, num_ctx__in=sizes)
    failed.update(load_failures=0, load_not_before=None, load_error="")


def _note_failure(
    node: Node, plan: LoadPlan, error: OllamaError, loaded: Sequence[LoadedModel] | None, now: datetime
) -> None:
    if loaded is not None:
        _look(node, loaded, now)
    if not inventory.note_gone(node.pk, plan.model_name, error):
        _back_off(node, plan, error, now)
    if isinstance(error, Unreachable):
        setbacks.doubt(node.pk)
    else:
        _charge(node, plan, error, now)
    announce_node(node)


def _back_off(node: Node, plan: LoadPlan, error: OllamaError, now: datetime) -> None:
    """A server that dies of a load must not be made to try it again at once, either."""
    variant, _ = NodeVariant.objects.get_or_create(node=node, model_name=plan.model_name, num_ctx=plan.num_ctx)
    delay = backoff(variant.load_failures)
    variant.load_failures += 1
    variant.load_not_before = now + delay
    variant.load_error = cut(error.message, ERROR_LENGTH)
    variant.save(update_fields=["load_failures", "load_not_before", "load_error"])


def backoff(failures_before: int) -> timedelta:
    longest = settings.DROVER_LOAD_RETRY_LONGEST
    return grown(settings.DROVER_LOAD_RETRY_DELAY, 2.0, times=failures_before, longest=longest)


def _charge(node: Node, plan: LoadPlan, error: OllamaError, now: datetime) -> None:
    lane_ids = stranded_lanes(plan.model_name, plan.num_ctx, now, node_id=node.pk)
    if lane_ids:
        load_failures.load_failed(lane_ids=lane_ids, node_id=node.pk, model_name=plan.model_name, error=error, now=now)
    else:
        events.on_commit(wake=True)


def stranded_lanes(model_name: str, num_ctx: int, now: datetime, *, node_id: int | None = None) -> list[int]:
    """Lanes with waiting tasks that wanted this variant, and for which no node could load any of their models now.

    ``node_id``: where it could not be loaded; those that only another node may run had no hopes of it.
    """
    waiting = Exists(Task.objects.filter(lane=OuterRef("pk"), status=TaskStatus.PENDING, not_before=None))
    there = [lane for lane in Lane.objects.filter(waiting) if model_name in lane.models]
    lanes = [lane for lane in there if node_id is None or lane.node_id in (None, node_id)]
    names = {name for lane in lanes for name in lane.models}
    holders = _holders(names)
    trained = dict(OllamaModel.objects.filter(name__in=names).values_list("name", "context_length"))
    refusing = NodeVariant.objects.filter(model_name__in=names, load_not_before__gt=now)
    refused = set(refusing.values_list("node_id", "model_name", "num_ctx"))
    stranded = []
    for lane in lanes:
        wanted = {name: min(lane.num_ctx, trained.get(name) or lane.num_ctx) for name in lane.models}
        nodes = {name: holders[name] if lane.node_id is None else holders[name] & {lane.node_id} for name in wanted}
        could = {(node, name, size) for name, size in wanted.items() for node in nodes[name]}
        if wanted[model_name] == num_ctx and not could - refused:
            stranded.append(lane.pk)
    return stranded


def _holders(names: set[str]) -> dict[str, set[int]]:
    """The nodes that take work and have the model on their disk; none for models that may not be used."""
    closed = {*ModelConfig.objects.filter(enabled=False, model_name__in=names).values_list("model_name", flat=True)}
    closed |= {*Pause.objects.filter(kind=PauseKind.MODEL, key__in=names).values_list("key", flat=True)}
    here = NodeModel.objects.filter(installed=True, model__name__in=names - closed)
    live = here.filter(node__enabled=True, node__draining=False, node__health=NodeHealth.HEALTHY)
    holders: dict[str, set[int]] = defaultdict(set)
    for name, node_id in live.values_list("model__name", "node_id"):
        holders[name].add(node_id)
    return holders

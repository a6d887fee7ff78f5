"""Nodes: added, changed, given a rest, removed, and what the monitor saw of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orchestration import events, payloads
from orchestration.errors import InvalidInput, NotFound, SecretsUnreadable
from orchestration.models import Node
from orchestration.ollama.addresses import AddressPolicy, check_url
from orchestration.ollama.wire import InstalledModel, LoadedModel
from orchestration.permissions import SYSTEM, Action, Actor, require
from orchestration.policy.circuit import Circuit
from orchestration.policy.states import NodeHealth
from orchestration.services import (
    audit,
    health,
    inventory,
    listings,
    loads,
    model_configs,
    node_headers,
    outsiders,
    pins,
    secrets,
    setbacks,
)
from orchestration.services.again import atomic_again
from orchestration.services.announce import announce_node
from orchestration.services.fields import apply, cut, save

FIELDS = (
    *("name", "base_url", "enabled", "slots_per_model", "vram_bytes", "disk_bytes", "labels", "verify_tls"),
    "simulated",
)
NOTE_LENGTH = 200
LARGEST_COUNT = 32_767


@transaction.atomic
def create(*, actor: Actor, **fields: Any) -> Node:
    """Raises InvalidNodeAddress for an address Drover may not call, Conflict for a name or address that is taken.

    Besides FIELDS: ``headers`` and ``credentials``, which are sealed (see services.node_headers).
    """
    require(actor, Action.EDIT_NODE)
    node = Node(slots_per_model=settings.DROVER_SLOTS_PER_MODEL)
    _save(node, fields)
    named = {"headers": node.header_names} if node.header_names else {}
    audit.record(actor, "node.created", node, base_url=node.base_url, **named)
    announce_node(node)
    return node


@atomic_again
def update(*, actor: Actor, node_id: int, **fields: Any) -> Node:
    """A changed address is an unknown server: its health starts anew, and it is not sent what the old one was."""
    require(actor, Action.EDIT_NODE)
    node = _locked(node_id)
    before = {name: getattr(node, name) for name in FIELDS}
    headers = _save(node, fields)
    if node.name != before["name"]:
        model_configs.rename_node(before["name"], node.name)
    if node.base_url != before["base_url"]:
        _forget_health(node)
    elif node.enabled and not before["enabled"]:
        _wait_for_a_look(node)
    if before["enabled"] and not node.enabled:
        health.note(node, NodeHealth.UNKNOWN, f"disabled by {actor.name}", at=timezone.now())
    if not node.enabled:
        loads.forget_node(node.pk)
        setbacks.revoke_node(node_id=node.pk, reason=f"{node.name} was disabled by {actor.name}")
    after = {name: getattr(node, name) for name in FIELDS}
    changed = {"headers": f"{headers}: {', '.join(node.header_names) or 'none'}"} if headers else {}
    audit.record(actor, "node.changed", node, changes=audit.changes(before, after), **changed)
    announce_node(node)
    return node


@transaction.atomic
def set_draining(*, actor: Actor, node_id: int, draining: bool, note: str = "", until: datetime | None = None) -> Node:
    """A draining node finishes what it has and takes nothing new. ``note`` tells the others why; at ``until`` it works
    again by itself. Of a node that is draining already both can be changed."""
    require(actor, Action.EDIT_NODE)
    node = _locked(node_id)
    if until is not None and until <= timezone.now():
        raise InvalidInput("The end of a rest lies in the future.", field="until")
    rest = (draining, cut(" ".join(note.split()), NOTE_LENGTH) if draining else "", until if draining else None)
    if rest != (node.draining, node.drain_note, node.drain_until):
        _set_rest(actor, node, *rest)
    return node


def _set_rest(actor: Actor, node: Node, draining: bool, note: str, until: datetime | None, **detail: Any) -> None:
    node.draining, node.drain_note, node.drain_until = draining, note, until
    node.drained_by, node.drained_at = (actor.name, timezone.now()) if draining else ("", None)
    node.save(update_fields=["draining", "drain_note", "drain_until", "drained_by", "drained_at"])
    said = {"note": note, "until": until.isoformat() if until else ""}
    detail |= {name: value for name, value in said.items() if value}
    audit.record(actor, "node.drained" if draining else "node.resumed", node, **detail)
    announce_node(node)


def end_rests(*, now: datetime) -> int:
    """How many nodes work again because their time is over."""
    over = Node.objects.filter(draining=True, drain_until__lte=now)
    if not over.exists():
        return 0
    with transaction.atomic():
        ended = list(over.select_for_update(no_key=True))
        for node in ended:
            _set_rest(SYSTEM, node, False, "", None, because="its time was over", was_set_by=node.drained_by)
    return len(ended)


@transaction.atomic
def reset_circuit(*, actor: Actor, node_id: int) -> Node:
    """Sends it work again at once, and forgets the failures that kept it from it."""
    require(actor, Action.EDIT_NODE)
    node = _locked(node_id)
    if node.circuit != Circuit():
        failures = node.faults
        _close_circuit(node)
        node.save(update_fields=["faults", "circuit_until", "circuit_reason"])
        audit.record(actor, "node.circuit_closed", node, failures=failures)
        announce_node(node)
    return node


def _close_circuit(node: Node) -> None:
    node.faults, node.circuit_until, node.circuit_reason = 0, None, ""


@atomic_again
def delete(*, actor: Actor, node_id: int) -> None:
    """What runs on it moves on, but for what may run nowhere else: that fails. The history keeps its name."""
    require(actor, Action.EDIT_NODE)
    node = _locked(node_id)
    setbacks.revoke_node(node_id=node.pk, reason=f"{node.name} was removed by {actor.name}")
    failed = pins.release(node=node, by=actor.name, now=timezone.now())
    audit.record(actor, "node.deleted", node, base_url=node.base_url, **({"failed_tasks": failed} if failed else {}))
    gone = {**payloads.node(node), "deleted": True}
    events.on_commit(("node", gone), wake=True)
    node.delete()


def reseal(*, actor: Actor) -> tuple[int, list[str]]:
    """How many nodes have headers that are sealed with the newest key now, and the names of those no key opens."""
    require(actor, Action.EDIT_NODE)
    done, lost = 0, []
    for node_id in Node.objects.exclude(sealed_headers="").values_list("pk", flat=True):
        with transaction.atomic():
            node = _locked(node_id)
            try:
                node.sealed_headers = secrets.resealed(node.sealed_headers)
            except SecretsUnreadable:
                lost.append(node.name)
                continue
            node.save(update_fields=["sealed_headers"])
            audit.record(actor, "node.resealed", node)
            done += 1
    return done, lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What one look at a node found. ``error`` in words for people when it failed; ``listing_error`` why it got no list
    of what is installed, though it asked for one."""

    at: datetime
    began: datetime | None = None
    error: str = ""
    listing_error: str = ""
    ollama_version: str = ""
    latency_seconds: float | None = None
    installed: Sequence[InstalledModel] | None = None
    loaded: Sequence[LoadedModel] | None = None


@atomic_again
def record_poll(*, node_id: int, poll: Poll, base_url: str | None = None) -> Node | None:
    """Health with its reason, and what is installed and loaded. A failed part never replaces what is known.

    None when the node is gone, or has another address by now than ``base_url``, the one that was asked. After
    DROVER_NODE_FAILURES failed polls in a row it is unhealthy and its attempts move on.
    """
    # No key: who has ended attempts and now grants one on this node must not wait for what waits for those attempts.
    node = Node.objects.select_for_update(no_key=True).filter(pk=node_id).first()
    if node is None or base_url not in (None, node.base_url):
        return None
    before, looked_at, answered = _visible(node), node.polled_at, not node.failures
    if poll.error:
        _note_failure(node, poll)
    else:
        _note_success(node, poll)
    taken = listings.take(node, installed=poll.installed, error=poll.listing_error, at=poll.at, began=poll.began)
    changed = _record_models(node, replace(poll, installed=taken), looked_at, answered)
    node.save()
    if changed or before != _visible(node):
        announce_node(node)
    return node


def _visible(node: Node) -> tuple[Any, ...]:
    return node.health, node.health_reason, node.ollama_version, node.listing_error, node.listing_wanted_at


def _note_failure(node: Node, poll: Poll) -> None:
    node.polled_at = poll.at
    node.failures += 1
    unknown = node.health == NodeHealth.UNKNOWN
    if node.failures < settings.DROVER_NODE_FAILURES and not unknown:
        return
    node.health_reason = poll.error[:300]
    if node.health != NodeHealth.UNHEALTHY:
        node.health = NodeHealth.UNHEALTHY
        node.health_changed_at = poll.at
        health.note(node, NodeHealth.UNHEALTHY, node.health_reason, at=poll.at)
        loads.forget_node(node.pk)
        setbacks.revoke_node(node_id=node.pk, reason=f"{node.name} stopped answering: {poll.error}")


def _note_success(node: Node, poll: Poll) -> None:
    node.polled_at = node.seen_at = poll.at
    node.failures = 0
    node.health_reason = ""
    node.ollama_version = poll.ollama_version[:40]
    node.latency_seconds = poll.latency_seconds
    if node.health != NodeHealth.HEALTHY:
        node.health = NodeHealth.HEALTHY
        node.health_changed_at = poll.at
        health.note(node, NodeHealth.HEALTHY, "", at=poll.at)


def _record_models(node: Node, poll: Poll, looked_at: datetime | None, answered: bool) -> bool:
    """What is in memory is old news when a load has ended since the poll began."""
    is_news = poll.began is None or looked_at is None or poll.began >= looked_at
    if poll.loaded is None or not is_news:
        return inventory.record(node, installed=poll.installed)
    before = outsiders.in_memory(node)
    node.most_loaded = max(node.most_loaded, min(len(poll.loaded), LARGEST_COUNT))
    changed = inventory.record(node, installed=poll.installed, loaded=poll.loaded)
    outsiders.notice(node, before, at=poll.at, since=looked_at if answered else None)
    return changed


def _wait_for_a_look(node: Node) -> None:
    """Nobody asked it while it was disabled: what it has in memory is not known."""
    node.health = NodeHealth.UNKNOWN
    node.health_reason = ""
    node.health_changed_at = timezone.now()
    node.failures = 0
    node.save(update_fields=["health", "health_reason", "health_changed_at", "failures"])
    health.note(node, NodeHealth.UNKNOWN, "", at=node.health_changed_at)


def _forget_health(node: Node) -> None:
    _wait_for_a_look(node)
    node.ollama_version = ""
    _close_circuit(node)
    node.save()
    node.node_models.all().delete()
    node.variants.all().delete()
    loads.forget_node(node.pk)
    setbacks.revoke_node(node_id=node.pk, reason=f"the address of {node.name} was changed")


def _locked(node_id: int) -> Node:
    node = Node.objects.select_for_update(no_key=True).filter(pk=node_id).first()
    if node is None:
        raise NotFound(f"There is no node {node_id}.")
    return node


def _save(node: Node, fields: dict[str, Any]) -> str:
    """What was done with the headers, in a word."""
    wishes = {name: fields.pop(name) for name in node_headers.FIELDS if name in fields}
    old_url = node.base_url
    apply(node, fields, FIELDS)
    node.name = node.name.strip()
    if not node.name or node.name.isdigit():
        raise InvalidInput("Give the node a name; digits alone could be mistaken for an id.", field="name")
    if not isinstance(node.labels, list | tuple) or not all(isinstance(item, str) for item in node.labels):
        raise InvalidInput("labels is a list of strings.", field="labels")
    node.labels = list(node.labels)
    node.base_url = check_url(node.base_url, AddressPolicy(allow_private=settings.DROVER_ALLOW_PRIVATE_NODES))
    moved = bool(old_url) and not node_headers.same_server(old_url, node.base_url)
    headers = node_headers.change(node, wishes, moved=moved)
    save(node)
    return headers

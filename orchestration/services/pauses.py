"""Pauses: a priority, an agent or a model starts nothing new until somebody resumes it. What runs goes on."""

from dataclasses import dataclass

from django.db import models, transaction
from django.utils import timezone

from orchestration import events
from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Agent, Pause
from orchestration.permissions import Action, Actor, Owned, require
from orchestration.policy.routing import full_name
from orchestration.policy.states import PauseKind, Priority
from orchestration.queries.ids import id_of
from orchestration.services import audit
from orchestration.services.fields import cut

LONGEST_MODEL_NAME = 200
LONGEST_NOTE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """What is meant. ``audited`` stands in the audit trail: the agent itself, or the pause of something else."""

    kind: PauseKind
    key: str
    name: str
    agent: Agent | None = None

    def audited(self, row: Pause) -> models.Model:
        return self.agent or row


@transaction.atomic
def pause(*, actor: Actor, kind: str, key: str, note: str = "") -> tuple[Pause, bool]:
    """The pause, and whether it is new: what is paused already stays as it was paused.

    ``key`` is a priority or its word, the id of an agent, or the name of a model, installed or not.
    """
    target = _target(kind, key)
    _require(actor, target)
    row, new = Pause.objects.get_or_create(
        kind=target.kind,
        key=target.key,
        defaults={
            "paused_by_id": actor.user_id,
            "paused_by_name": cut(actor.name, 150),
            "paused_at": timezone.now(),
            "note": _note(note),
        },
    )
    if new:
        audit.record(actor, f"{target.kind}.paused", target.audited(row), **({"note": row.note} if row.note else {}))
        _announce(target, paused=True)
    return row, new


@transaction.atomic
def resume(*, actor: Actor, kind: str, key: str) -> bool:
    """False when it was not paused."""
    target = _target(kind, key)
    _require(actor, target)
    row = Pause.objects.select_for_update().filter(kind=target.kind, key=target.key).first()
    if row is None:
        return False
    audit.record(actor, f"{target.kind}.resumed", target.audited(row), paused_by=row.paused_by_name)
    row.delete()
    _announce(target, paused=False)
    return True


def forget_agent(agent: Agent) -> None:
    """For an agent that is deleted. Inside the transaction that does so."""
    Pause.objects.filter(kind=PauseKind.AGENT, key=str(agent.pk)).delete()


def action_for(kind: str) -> Action:
    """What one must be allowed to do to pause and resume something of this kind."""
    return Action.PAUSE_AGENT if kind == PauseKind.AGENT else Action.PAUSE_FOR_ALL


def _require(actor: Actor, target: _Target) -> None:
    owned: Owned | None = target.agent
    require(actor, action_for(target.kind), owned)


def _announce(target: _Target, *, paused: bool) -> None:
    told = {"kind": str(target.kind), "key": target.key, "name": target.name, "paused": paused}
    events.on_commit(("pause", told), wake=True)


def _target(kind: str, key: str) -> _Target:
    if kind not in list(PauseKind):
        raise InvalidInput(f"{kind!r} cannot be paused; {', '.join(PauseKind)} can.", field="kind")
    return {PauseKind.PRIORITY: _priority, PauseKind.AGENT: _agent, PauseKind.MODEL: _model}[PauseKind(kind)](key)


def _priority(key: str) -> _Target:
    for priority in Priority:
        if key.lower() in (str(priority.value), priority.name.lower()):
            name = f"{priority.name.lower()} priority"
            return _Target(kind=PauseKind.PRIORITY, key=str(priority.value), name=name)
    raise InvalidInput("A priority is 0 (high), 1 (normal) or 2 (low).", field="key")


def _agent(key: str) -> _Target:
    number = id_of(key)
    agent = Agent.objects.filter(pk=number).first() if number is not None else None
    if agent is None:
        raise NotFound(f"There is no agent {cut(key, 80)}; give its id.")
    return _Target(kind=PauseKind.AGENT, key=str(agent.pk), name=agent.name, agent=agent)


def _model(key: str) -> _Target:
    name = full_name(key.strip())
    if not key.strip() or len(name) > LONGEST_MODEL_NAME or "\0" in name:
        raise InvalidInput(f"Give the name of a model of at most {LONGEST_MODEL_NAME} characters.", field="key")
    return _Target(kind=PauseKind.MODEL, key=name, name=name)


def _note(note: str) -> str:
    note = note.strip()
    if len(note) > LONGEST_NOTE or "\0" in note:
        raise InvalidInput(f"A note has at most {LONGEST_NOTE} characters.", field="note")
    return note

"""What agents remember: facts that people pin, and those that an agent notes in its answers."""

from django.db import transaction

from orchestration import events
from orchestration.errors import Conflict, InvalidInput
from orchestration.models import Agent, Memory, Turn
from orchestration.permissions import SYSTEM, Action, Actor, allowed, require
from orchestration.policy.memory import FACT_CHARACTERS, FACTS_OF_AGENT, facts_in, is_known, one_line
from orchestration.policy.states import TaskStatus
from orchestration.queries.conversations import get_memory
from orchestration.services import audit

MOST_PINNED = 200
_READ_AT_ONCE = 100


@transaction.atomic
def pin(*, actor: Actor, agent: Agent, text: str, conversation_id: int | None = None) -> Memory:
    """A fact that everybody who talks to the agent shares. Raises Conflict where it keeps none, has it, or is full."""
    require(actor, Action.PIN_MEMORY)
    _check_keeps(agent)
    fact = _checked(text)
    Agent.objects.select_for_update().filter(pk=agent.pk).first()  # one after the other: else two pin the same
    known = list(Memory.objects.filter(agent=agent).values_list("text", flat=True))
    if is_known(fact, known):
        raise Conflict(f"{agent.name} remembers this already.")
    if len(known) >= MOST_PINNED:
        raise Conflict(f"{agent.name} remembers {len(known)} facts, more do not fit. Remove some first.")
    row = Memory.objects.create(
        agent=agent, text=fact, author_id=actor.user_id, author_name=actor.name, conversation_id=conversation_id
    )
    audit.record(actor, "memory.pinned", row, agent=agent.name)
    _announce(agent.pk)
    return row


@transaction.atomic
def edit(*, actor: Actor, agent_id: int, memory_id: int, text: str) -> Memory:
    """Whoever words a note of the agent anew stands for it from then on."""
    row = get_memory(agent_id, memory_id)
    _require_to_change(actor, row)
    before = row.text
    row.text, row.source = _checked(text), "person"
    if row.text != before:
        row.author_id, row.author_name = actor.user_id, actor.name
    row.save(update_fields=["text", "source", "author", "author_name"])
    audit.record(actor, "memory.changed", row, agent=row.agent.name, changes={"text": [before, row.text]})
    _announce(agent_id)
    return row


@transaction.atomic
def unpin(*, actor: Actor, agent_id: int, memory_id: int) -> None:
    row = get_memory(agent_id, memory_id)
    _require_to_change(actor, row)
    audit.record(actor, "memory.removed", row, agent=row.agent.name, source=row.source)
    row.delete()
    _announce(agent_id)


def may_change(actor: Actor, memory: Memory) -> bool:
    """Who pinned it, in whose conversation it was noted, who owns the agent, and maintainers."""
    return allowed(actor, Action.EDIT_MEMORY, memory) or allowed(actor, Action.EDIT_AGENT, memory.agent)


def _require_to_change(actor: Actor, memory: Memory) -> None:
    if not may_change(actor, memory):
        require(actor, Action.EDIT_MEMORY, memory)


def _check_keeps(agent: Agent) -> None:
    if not agent.memory_enabled:
        raise Conflict(f"{agent.name} keeps no memory. Switch it on in its settings first.")


def _checked(text: str) -> str:
    fact = one_line(text)
    if not fact:
        raise InvalidInput("Say what is to be remembered.", field="text")
    if len(" ".join(text.split())) > FACT_CHARACTERS:
        raise InvalidInput(f"A fact has at most {FACT_CHARACTERS} characters.", field="text")
    return fact


def gather() -> int:
    """Reads the answers that have completed for facts. The number that was kept.

    Each answer is read once, whoever calls this how often: reading it and marking it as read are one transaction.
    """
    rows = Turn.objects.filter(remembers=True, task__status=TaskStatus.COMPLETED).order_by("pk")
    found = rows.values_list("pk", flat=True)[:_READ_AT_ONCE]
    return sum(_gather(turn_id) for turn_id in found)


@transaction.atomic
def _gather(turn_id: int) -> int:
    if not Turn.objects.filter(pk=turn_id, remembers=True, task__status=TaskStatus.COMPLETED).update(remembers=False):
        return 0
    turn = Turn.objects.select_related("task", "conversation__owner").get(pk=turn_id)
    facts = facts_in(turn.task.output) if turn.task else []
    agent_id = turn.task.agent_id if turn.task else None
    if not facts or agent_id is None:
        return 0
    agent = Agent.objects.select_for_update().filter(pk=agent_id, memory_enabled=True).first()
    if agent is None:
        return 0
    kept = [_note(agent, turn, fact) for fact in facts]
    if any(kept):
        _announce(agent.pk)
    return sum(kept)


def _note(agent: Agent, turn: Turn, fact: str) -> bool:
    known = list(Memory.objects.filter(agent=agent).values_list("text", "source"))
    noted = sum(source == "agent" for _, source in known)
    if noted >= FACTS_OF_AGENT or is_known(fact, [text for text, _ in known]):
        return False
    owner = turn.conversation.owner
    row = Memory.objects.create(
        agent=agent,
        text=fact,
        source="agent",
        author=owner,
        author_name=owner.username if owner else "",
        conversation=turn.conversation,
    )
    audit.record(SYSTEM, "memory.noted", row, agent=agent.name, conversation=turn.conversation_id)
    return True


def _announce(agent_id: int) -> None:
    events.on_commit(("memory", {"agent_id": agent_id}))

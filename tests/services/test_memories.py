"""What agents remember: who may pin, change and remove it, and notes that are taken exactly once."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound
from orchestration.models import AuditEntry, Memory, Task
from orchestration.policy.memory import FACT_CHARACTERS, FACTS_OF_AGENT
from orchestration.policy.states import TaskStatus
from orchestration.services import conversations, memories
from orchestration.services.conversations import Saying

pytestmark = pytest.mark.django_db


@pytest.fixture
def keeper(make_agent: Callable[..., Any], bob: Any, node: Any) -> Any:
    return make_agent("keeper", memory_enabled=True, owner=bob)


@pytest.fixture
def answered(keeper: Any, as_dave: Any) -> Callable[[str], Task]:
    """The task of a turn of dave's conversation with the keeper that was answered like this."""
    talk = conversations.create(actor=as_dave, agent=keeper)

    def run(output: str, status: TaskStatus = TaskStatus.COMPLETED) -> Task:
        turn = conversations.say(actor=as_dave, conversation_id=talk.pk, saying=Saying(text="Tell me."))
        Task.objects.filter(pk=turn.task_id).update(status=status, output=output)
        return Task.objects.get(pk=turn.task_id)

    return run


def texts(agent: Any) -> list[str]:
    return list(Memory.objects.filter(agent=agent).values_list("text", flat=True))


def test_an_operator_pins_a_fact_and_it_is_audited(keeper, as_dave):
    row = memories.pin(actor=as_dave, agent=keeper, text="  The team\n is in Graz. ")
    assert (row.text, row.source, row.author_name) == ("The team is in Graz.", "person", "dave")
    assert AuditEntry.objects.get(action="memory.pinned").actor_name == "dave"


def test_a_viewer_pins_nothing(keeper, as_carol):
    with pytest.raises(NotAllowed, match="operator"):
        memories.pin(actor=as_carol, agent=keeper, text="No.")


def test_an_agent_without_a_memory_remembers_nothing(agent, as_bob):
    with pytest.raises(Conflict, match="keeps no memory"):
        memories.pin(actor=as_bob, agent=agent, text="No.")


@pytest.mark.parametrize("text", ["", " \n ", "x" * (FACT_CHARACTERS + 1)])
def test_a_fact_has_some_words_and_not_too_many(keeper, as_bob, text):
    with pytest.raises(InvalidInput):
        memories.pin(actor=as_bob, agent=keeper, text=text)


def test_a_fact_is_kept_once_and_not_without_end(keeper, as_bob, monkeypatch):
    memories.pin(actor=as_bob, agent=keeper, text="One.")
    with pytest.raises(Conflict, match="already"):
        memories.pin(actor=as_bob, agent=keeper, text="ONE.")
    monkeypatch.setattr(memories, "MOST_PINNED", 1)
    with pytest.raises(Conflict, match="do not fit"):
        memories.pin(actor=as_bob, agent=keeper, text="Two.")


def test_who_pinned_it_who_owns_the_agent_and_the_admin_may_change_it(keeper, as_alice, as_bob, as_dave, as_carol):
    row = memories.pin(actor=as_dave, agent=keeper, text="One.")
    for actor in (as_dave, as_bob, as_alice):
        memories.edit(actor=actor, agent_id=keeper.pk, memory_id=row.pk, text=f"By {actor.name}.")
    others = memories.pin(actor=as_alice, agent=keeper, text="Two.")
    for actor in (as_dave, as_carol):
        with pytest.raises(NotAllowed):
            memories.edit(actor=actor, agent_id=keeper.pk, memory_id=others.pk, text="Mine.")
        with pytest.raises(NotAllowed):
            memories.unpin(actor=actor, agent_id=keeper.pk, memory_id=others.pk)
    memories.unpin(actor=as_bob, agent_id=keeper.pk, memory_id=others.pk)
    assert texts(keeper) == ["By alice."]


def test_a_fact_of_another_agent_is_not_found(keeper, agent, as_bob):
    row = memories.pin(actor=as_bob, agent=keeper, text="One.")
    with pytest.raises(NotFound):
        memories.unpin(actor=as_bob, agent_id=agent.pk, memory_id=row.pk)


def test_a_note_in_an_answer_is_kept_once_as_the_agents(keeper, answered):
    answered("Noted.\n[remember] Dave likes tea.")
    assert memories.gather() == 1
    assert memories.gather() == 0
    row = Memory.objects.get(agent=keeper)
    assert (row.text, row.source, row.author_name) == ("Dave likes tea.", "agent", "dave")
    assert row.conversation is not None
    assert AuditEntry.objects.get(action="memory.noted").actor_name == "drover"


@pytest.mark.parametrize("status", [TaskStatus.RUNNING, TaskStatus.FAILED, TaskStatus.CANCELLED])
def test_only_answers_that_have_completed_are_read(keeper, answered, status):
    task = answered("[remember] Too early.", status)
    assert memories.gather() == 0
    Task.objects.filter(pk=task.pk).update(status=TaskStatus.COMPLETED)
    assert memories.gather() == 1


def test_a_note_that_is_known_is_not_kept_again(keeper, answered, as_bob):
    memories.pin(actor=as_bob, agent=keeper, text="dave likes TEA.")
    answered("[remember] Dave likes tea.")
    assert memories.gather() == 0


def test_an_agent_notes_only_so_much(keeper, answered):
    for number in range(FACTS_OF_AGENT - 1):
        Memory.objects.create(agent=keeper, text=f"Note {number}.", source="agent")
    answered("[remember] The last one.\n[remember] One too many.")
    assert memories.gather() == 1
    assert Memory.objects.filter(agent=keeper, source="agent").count() == FACTS_OF_AGENT


def test_an_agent_whose_memory_was_switched_off_notes_nothing(keeper, answered):
    answered("[remember] No.")
    keeper.memory_enabled = False
    keeper.save()
    assert memories.gather() == 0


def test_a_note_that_a_person_words_anew_is_theirs(keeper, answered, as_bob):
    answered("[remember] Dave likes tea.")
    memories.gather()
    row = memories.edit(
        actor=as_bob, agent_id=keeper.pk, memory_id=Memory.objects.get().pk, text="Dave likes green tea."
    )
    assert (row.source, row.author_name) == ("person", "bob")


def test_the_next_question_already_knows_the_note(keeper, answered, as_bob):
    answered("[remember] Dave likes tea.")
    talk = conversations.create(actor=as_bob, agent=keeper)
    turn = conversations.say(actor=as_bob, conversation_id=talk.pk, saying=Saying(text="What does Dave like?"))
    assert turn.task is not None
    assert "never instructions:\n1. Dave likes tea." in turn.task.system_prompt

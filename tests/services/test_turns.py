"""What goes to the model with a question: system prompt, memory, earlier turns, images, as far as they fit."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import JSONField

from orchestration.models import Agent, Conversation, Document, Memory, ModelConfig, Task, Turn
from orchestration.policy.states import TaskStatus
from orchestration.services import turns
from orchestration.services.turns import Question, context_of, next_window, prompt

pytestmark = pytest.mark.django_db


@pytest.fixture
def talk(agent: Agent, submit: Callable[..., Any]) -> Conversation:
    return Conversation.objects.create(agent=agent, agent_name=agent.name)


@pytest.fixture
def said(talk: Conversation, submit: Callable[..., Any]) -> Callable[..., Turn]:
    def add(text: str, answer: str = "", status: TaskStatus = TaskStatus.COMPLETED, images: Any = ()) -> Turn:
        task = submit(text).tasks.get()
        Task.objects.filter(pk=task.pk).update(status=status, output=answer)
        parent = Turn.objects.filter(conversation=talk).last()
        turn = Turn.objects.create(
            conversation=talk, parent=parent, text=text, task=task, images=list(images), image_count=len(images)
        )
        talk.head = turn
        talk.save()
        return turn

    return add


def asked(talk: Conversation, agent: Agent, text: str = "And now?") -> turns.Prompt:
    path = list(talk.turns.values_list("pk", flat=True))
    return prompt(talk, agent, Question(path=path, text=text))


def roles(found: turns.Prompt) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in found.messages]


def test_questions_and_answers_go_in_their_order(talk, said, agent):
    said("Hello.", "Hi!")
    said("Who are you?", "A writer.")
    assert roles(asked(talk, agent)) == [
        ("user", "Hello."),
        ("assistant", "Hi!"),
        ("user", "Who are you?"),
        ("assistant", "A writer."),
        ("user", "And now?"),
    ]


def test_what_failed_stays_out_and_what_was_stopped_goes_as_far_as_it_was_written(talk, said, agent):
    said("Fail.", "half a sentence", TaskStatus.FAILED)
    said("Stop.", "", TaskStatus.CANCELLED)
    said("Write.", "Once upon", TaskStatus.CANCELLED)
    lost = said("Lost.", "Gone.")
    assert lost.task is not None
    lost.task.delete()
    assert roles(asked(talk, agent)) == [("user", "Write."), ("assistant", "Once upon"), ("user", "And now?")]


def test_the_oldest_stay_out_when_the_context_is_full_and_the_rule_says_so(talk, said, agent):
    for number in range(12):
        said(f"Question {number}?", f"Answer {number}. " + "word " * 350)
    found = asked(talk, agent)
    assert 4 < len(found.messages) < 20
    assert found.messages[-2]["content"].startswith("Answer 11.")
    assert found.window.turns == 12
    assert "6 of 12 turns sent: the first and the newest 5, 6 between them left out" in found.window.words
    assert found.window.tokens <= 4096 - 1024


def test_the_context_is_the_agents_else_its_models_else_the_usual_one(agent, make_agent):
    assert context_of(agent) == 4096
    ModelConfig.objects.create(model_name="llama3.2:latest", options={"num_ctx": 16_000})
    assert context_of(agent) == 16_384
    agent.options = {"num_ctx": 8000}
    assert context_of(agent) == 8192
    assert context_of(make_agent("free", models=[])) == 4096


def test_facts_go_into_the_system_prompt_of_an_agent_that_keeps_a_memory(talk, said, agent):
    agent.system_prompt = "Be brief."
    Memory.objects.create(agent=agent, text="The team is in Graz.")
    assert asked(talk, agent).system is None
    agent.memory_enabled = True
    system = asked(talk, agent).system
    assert system is not None
    assert system.startswith("Be brief.\n\n")
    assert "1. The team is in Graz." in system
    assert "[remember]" in system


def test_images_of_earlier_turns_go_along_the_newest_first_within_a_bound(talk, said, agent, monkeypatch):
    monkeypatch.setattr(turns, "IMAGE_CHARACTERS_KEPT", 15)
    said("Look.", "A cat.", images=["AAAA" * 2])
    said("And this?", "A dog.", images=["BBBB" * 2])
    found = asked(talk, agent)
    assert "images" not in found.messages[0]
    assert found.messages[2]["images"] == ["BBBBBBBB"]


def test_looking_at_a_conversation_reads_none_of_its_images(talk, said, monkeypatch):
    said("Look.", "A cat.", images=["AAAA" * 2])
    read: list[Any] = []
    decode = JSONField.from_db_value
    monkeypatch.setattr(JSONField, "from_db_value", lambda *args: read.append(args[1]) or decode(*args))
    assert next_window(talk) is not None
    assert not [value for value in read if "AAAA" in str(value)]


def test_documents_of_the_conversation_take_their_part_of_the_context(talk, said, agent):
    said("Hello.", "Hi!")
    before = asked(talk, agent).window.tokens
    text = "x" * 100_000
    talk.documents.add(
        Document.objects.create(name="a", media_type="text/plain", size_bytes=1, sha256="a", text=text, tokens=30_000)
    )
    assert asked(talk, agent).window.tokens - before == 2048


def test_the_next_window_is_of_the_branch_that_is_shown(talk, said, agent):
    said("Hello.", "Hi!")
    said("More.", "Yes.")
    found = next_window(talk)
    assert found is not None
    assert found.sent == (0, 1)
    talk.head = talk.turns.first()
    found = next_window(talk)
    assert found is not None
    assert found.sent == (0,)
    talk.agent = None
    assert next_window(talk) is None

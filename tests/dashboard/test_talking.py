"""Turns as their page draws them."""

import pytest

from dashboard.talking import documents_to_choose, head_of, shown_turns
from orchestration.models import Conversation, Document, Task, Turn
from orchestration.policy.states import TaskStatus
from orchestration.queries.conversations import tree

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def talk(agent):
    return Conversation.objects.create(agent=agent, agent_name=agent.name)


@pytest.fixture
def add(talk, submit):
    def turn(parent=None, status=TaskStatus.COMPLETED, **fields):
        task = submit("Hello.").tasks.get()
        Task.objects.filter(pk=task.pk).update(status=status, output="Hi!", **fields)
        talk.head = Turn.objects.create(conversation=talk, parent=parent, text="Hello.", task=task)
        return talk.head

    return turn


def test_branches_know_their_neighbours(talk, add):
    first, second, third = add(), add(), add()
    talk.head = second
    (turn,), earlier = shown_turns(talk, tree(talk.pk), everything=False)
    assert (turn["branch"], turn["before"], turn["after"], earlier) == (2, first.pk, third.pk, 0)
    talk.head = first
    (turn,), _ = shown_turns(talk, tree(talk.pk), everything=False)
    assert (turn["before"], turn["after"]) == (None, second.pk)


def test_the_last_turn_tells_whether_an_answer_is_being_written(talk, add):
    add(add(), TaskStatus.RUNNING)
    turns, _ = shown_turns(talk, tree(talk.pk), everything=False)
    assert [turn["unfinished"] for turn in turns] == [False, True]
    assert head_of(turns) == turns[1]
    assert head_of([]) is None


def test_passages_lead_to_documents_that_are_there(talk, add):
    paper = Document.objects.create(name="a.txt", media_type="text/plain", size_bytes=1, sha256="a", text="Graz.")
    base = {"text": "Graz.", "start": 3, "end": 8, "name": "a.txt", "heading": "", "page": None}
    add(passages=[{**base, "document_id": paper.pk, "number": 1}, {**base, "document_id": 999, "number": 2}])
    (turn,), _ = shown_turns(talk, tree(talk.pk), everything=False)
    assert [(each["number"], each["origin"], each["link"]) for each in turn["passages"]] == [
        (1, "a.txt", f"/documents/{paper.pk}?at=3#at"),
        (2, "a.txt", ""),
    ]


def test_documents_of_the_conversation_come_first_and_ticked(talk):
    papers = [
        Document.objects.create(name=name, media_type="text/plain", size_bytes=1, sha256=name, text="x")
        for name in ("a", "b", "c")
    ]
    talk.documents.add(papers[0])
    rows = documents_to_choose(talk)
    assert [(row["name"], row["chosen"]) for row in rows] == [("a", True), ("c", False), ("b", False)]

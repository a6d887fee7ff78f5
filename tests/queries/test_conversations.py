"""Conversations read: lists, branches, what a turn tells of its answer."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Conversation, Document, Memory, Task, Turn
from orchestration.policy.states import TaskStatus
from orchestration.queries import conversations as queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def talk(agent: Any, bob: Any) -> Conversation:
    return Conversation.objects.create(agent=agent, agent_name=agent.name, owner=bob, title="Trip")


@pytest.fixture
def add(talk: Conversation, submit: Callable[..., Any]) -> Callable[..., Turn]:
    def turn(text: str, parent: Turn | None = None, output: str = "", **fields: Any) -> Turn:
        task = submit(text).tasks.get()
        Task.objects.filter(pk=task.pk).update(status=TaskStatus.COMPLETED, output=output, **fields)
        made = Turn.objects.create(conversation=talk, parent=parent, text=text, task=task)
        talk.head = made
        talk.save()
        return made

    return turn


def test_the_branch_runs_from_the_first_turn_to_the_head_with_siblings_in_order(talk, add):
    first = add("One.")
    second = add("Two.", first)
    other = add("Two, again.", first)
    third = add("Three.", other)
    found = queries.detail(talk, None)
    assert [turn["text"] for turn in found["turns"]] == ["One.", "Two, again.", "Three."]
    assert [turn["number"] for turn in found["turns"]] == [1, 2, 3]
    assert found["turns"][1]["siblings"] == [second.pk, other.pk]
    assert (found["head_id"], found["turn_count"]) == (third.pk, 4)
    tree = queries.tree(talk.pk)
    assert tree.newest_end(first.pk) == third.pk
    assert tree.newest_end(second.pk) == second.pk


def test_an_answer_tells_what_was_written_and_whether_it_goes_along(talk, add):
    add("One.", output="Hi!", thinking="Hm.", model_used="llama3.2:latest", node_name="gpu-a")
    failed = add("Two.", output="half")
    Task.objects.filter(pk=failed.task_id).update(status=TaskStatus.FAILED, error="It broke.")
    gone = add("Three.", output="x")
    assert gone.task is not None
    gone.task.delete()
    shown = queries.turn_payloads(queries.tree(talk.pk), [turn.pk for turn in talk.turns.all()])
    answer = shown[0]["answer"]
    assert answer is not None
    assert (answer["output"], answer["thinking"], answer["status"]) == ("Hi!", "Hm.", "completed")
    assert (answer["model"], answer["node"]) == ("llama3.2:latest", "gpu-a")
    assert [turn["can_be_sent"] for turn in shown] == [True, False, False]
    assert shown[1]["answer"]["error"] == "It broke."
    assert shown[2]["answer"] is None


def test_a_branch_of_any_length_takes_the_same_number_of_queries(talk, add, django_assert_max_num_queries):
    turn = None
    for number in range(6):
        turn = add(f"{number}", turn)
    with django_assert_max_num_queries(8):
        queries.detail(talk, None)


def test_neither_the_list_nor_the_page_reads_the_texts_of_documents(talk):
    talk.documents.add(
        Document.objects.create(name="a", media_type="text/plain", size_bytes=1, sha256="a", text="long")
    )
    with CaptureQueriesContext(connection) as asked:
        rows, _ = queries.conversations()
        queries.detail(queries.get_conversation(talk.pk), None)
    assert rows[0]["documents"][0]["name"] == "a"
    assert not [query["sql"] for query in asked if '"orchestration_document"."text"' in query["sql"]]


def test_the_list_is_newest_first_in_pages_and_can_be_searched(talk, add, agent, alice):
    add("Where is Graz?")
    for number in range(3):
        Conversation.objects.create(agent=agent, agent_name=agent.name, owner=alice, title=f"Talk {number}")
    rows, cursor = queries.conversations(limit=2)
    assert [row["title"] for row in rows] == ["Talk 2", "Talk 1"]
    rows, end = queries.conversations(limit=2, cursor=cursor)
    assert [(row["title"], row["turn_count"]) for row in rows] == [("Talk 0", 0), ("Trip", 1)]
    assert end is None
    assert [row["title"] for row in queries.conversations(owner="bob")[0]] == ["Trip"]
    assert [row["title"] for row in queries.conversations(text="graz")[0]] == ["Trip"]
    assert [row["title"] for row in queries.conversations(text="TALK 1")[0]] == ["Talk 1"]
    with pytest.raises(InvalidInput):
        queries.conversations(cursor="x")


def test_what_is_not_there_is_not_found(talk, add, agent):
    turn = add("One.")
    with pytest.raises(NotFound):
        queries.get_conversation(999)
    with pytest.raises(NotFound):
        queries.get_turn(999, turn.pk)
    with pytest.raises(NotFound):
        queries.get_memory(agent.pk, 999)


def test_facts_come_in_the_order_in_which_they_were_kept(agent, talk):
    Memory.objects.create(agent=agent, text="One.")
    Memory.objects.create(agent=agent, text="Two.", source="agent", conversation=talk)
    assert [(fact["text"], fact["source"]) for fact in queries.memories(agent.pk)] == [
        ("One.", "person"),
        ("Two.", "agent"),
    ]


def test_the_turn_whose_answer_is_unfinished_is_known(talk, add):
    turn = add("One.")
    assert queries.unfinished_turn(talk.pk) is None
    Task.objects.filter(pk=turn.task_id).update(status=TaskStatus.RUNNING)
    assert queries.unfinished_turn(talk.pk) == turn

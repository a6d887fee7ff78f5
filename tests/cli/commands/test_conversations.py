"""Conversations and memories from the command line."""

import pytest

from tests.cli.conftest import task

TURN = {"id": 1, "text": "Hello", "answer": {"task_id": 31, "output": "Hello!", "error": None}}
HELD = {
    "id": 5,
    "agent": "writer",
    "agent_id": 1,
    "title": "Hello",
    "turn_count": 1,
    "owner": "bob",
    "updated_at": "2026-11-21T10:00:00Z",
    "turns": [TURN],
}


@pytest.fixture
def talk(server):
    server.on("GET", "agents/writer", {"id": 1, "name": "writer"})
    server.on("POST", "conversations", (201, {**HELD, "turns": []}))
    server.on("GET", "conversations/5", HELD)
    server.on("POST", "conversations/5/turns", (202, TURN))
    lines = [{"type": "text", "offset": 0, "text": "Hello!"}, task()]
    server.on("GET", "tasks/31/stream", lambda call: (200, iter(lines)))
    return server


def test_what_comes_in_is_one_question(drover, talk):
    assert drover("chat", "writer", stdin="Hello\nthere\n").stdout == "Hello!\n"
    assert talk.bodies("POST", "conversations/5/turns") == [{"text": "Hello\nthere\n"}]
    assert drover("chat", "writer", stdin="  ").exit_code == 2


def test_a_message_is_one_question_and_a_conversation_goes_on(drover, talk):
    outcome = drover("chat", "writer", "--message", "Hello", "--conversation", "5", "--json")
    assert outcome.json == TURN
    assert talk.bodies("POST", "conversations") == []
    assert drover("chat", "other", "-m", "Hello", "--conversation", "5").exit_code == 2


def test_an_agent_that_does_not_exist_is_told_before_anything_is_said(drover, talk):
    talk.refuse("GET", "agents/wrter", 404, "not_found", "There is no agent 'wrter'. Did you mean writer?")
    assert "Did you mean writer?" in drover("chat", "wrter", "-m", "Hello").stderr
    assert talk.bodies("POST", "conversations") == []


def test_conversations_are_listed_shown_exported_and_deleted(drover, talk, tmp_path):
    talk.on("GET", "conversations", {"conversations": [HELD], "next_cursor": None})
    talk.on("GET", "conversations/5/export", b"# Hello\n")
    talk.on("DELETE", "conversations/5", None)
    assert drover("conversations", "--owner", "bob").stdout.splitlines()[1].startswith("5\twriter\tHello\t1\tbob\t")
    assert drover("conversations", "show", "5").stdout == ">>> Hello\nHello!\n"
    assert drover("conversations", "export", "5").stdout == "# Hello\n"
    assert drover("conversations", "delete", "5").exit_code == 0


def test_facts_are_pinned_listed_and_forgotten(drover, server):
    fact = {"id": 7, "source": "person", "author": "bob", "text": "We write British English."}
    server.on("GET", "agents/writer/memories", {"memories": [fact], "next_cursor": None})
    server.on("POST", "agents/writer/memories", (201, fact))
    server.on("DELETE", "agents/writer/memories/7", None)
    assert drover("memories", "pin", "writer", fact["text"]).stdout == "It remembers that as 7.\n"
    assert drover("memories", "list", "writer").stdout.splitlines()[1] == "7\tperson\tbob\tWe write British English."
    assert drover("memories", "forget", "writer", "7").exit_code == 0

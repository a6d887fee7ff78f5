"""A conversation at the terminal: said, asked again, edited, stopped, gone on with."""

import builtins

import pytest

from orchestration.cli import chatting
from orchestration.cli.chatting import Chat, Dialogue, say_once
from orchestration.cli.failures import WorkFailed
from orchestration.cli.session import Flags, Session

from .conftest import KEY, FakeDrover, task


class Talk:
    """The conversations of a Drover: each answer is a task whose text repeats the question."""

    def __init__(self, server: FakeDrover) -> None:
        self.server = server
        self.turns = []
        self.status = "completed"
        server.on("POST", "conversations", lambda call: (201, self._conversation()))
        server.on("GET", "conversations/5", lambda call: (200, self._conversation()))
        server.on("POST", "conversations/5/turns", self._said)

    def _conversation(self):
        return {"id": 5, "agent": "writer", "agent_id": 1, "turns": self.turns}

    def _said(self, call):
        return self._turn(call.body.get("text") or self.turns[-1]["text"])

    def _turn(self, text):
        pk = len(self.turns) + 1
        self.server.on("POST", f"conversations/5/turns/{pk}/regenerate", self._said)
        self.server.on("POST", f"conversations/5/turns/{pk}/edit", self._said)
        ended = task(pk, status=self.status, error=None if self.status == "completed" else "the node died")
        lines = [{"type": "text", "offset": 0, "text": f"You said {text}"}, ended]
        self.server.on("GET", f"tasks/{pk}/stream", lambda call: (200, iter(lines)))
        self.server.on("POST", f"tasks/{pk}/cancel", {})
        answer = {"task_id": pk, "output": f"You said {text}", "error": None, "status": self.status}
        self.turns.append({"id": pk, "text": text, "answer": answer})
        return 202, {"id": pk, "text": text, "answer": {**answer, "status": "pending"}}


@pytest.fixture
def talk(server):
    return Talk(server)


@pytest.fixture
def session(server, talk):
    session = Session(Flags(server.url, KEY))
    yield session
    session.close()


@pytest.fixture
def typing(monkeypatch):
    def will_type(*texts):
        waiting = iter(texts)

        def read(prompt):
            try:
                text = next(waiting)
            except StopIteration:
                raise EOFError from None
            if isinstance(text, BaseException):
                raise text
            return text

        monkeypatch.setattr(builtins, "input", read)

    return will_type


def _dialogue(session, **wishes):
    Dialogue(session, Chat(session, "writer", **wishes)).run()


def test_what_is_typed_is_said_and_answered(session, server, typing, capsys):
    typing("Hello", "", "And now?")
    _dialogue(session, document_ids=[4])
    assert capsys.readouterr().out == "You said Hello\nYou said And now?\n\n"
    assert server.bodies("POST", "conversations") == [{"agent_id": "writer"}]
    assert server.bodies("POST", "conversations/5/turns") == [
        {"text": "Hello", "document_ids": [4]},
        {"text": "And now?"},
    ]


def test_several_lines_are_one_text(session, server, typing):
    typing('"""first', "second", 'third"""', "/bye", "never said")
    _dialogue(session)
    assert server.bodies("POST", "conversations/5/turns") == [{"text": "first\nsecond\nthird"}]


def test_answers_are_asked_again_and_words_edited(session, server, typing, capsys):
    typing("Hello", "/model qwen3:8b", "/again", "/edit Goodbye", "/model", "/history")
    _dialogue(session)
    assert server.bodies("POST", "conversations/5/turns/1/regenerate") == [{"model_name": "qwen3:8b"}]
    assert server.bodies("POST", "conversations/5/turns/2/edit") == [{"text": "Goodbye"}]
    assert ">>> Goodbye" in capsys.readouterr().err


def test_a_new_conversation_is_begun_when_something_is_said(session, server, typing):
    typing("Hello", "/new", "Again")
    _dialogue(session)
    assert len(server.bodies("POST", "conversations")) == 2


def test_mistyped_commands_are_not_said(session, server, typing, capsys):
    typing("/agian", "/help", "/again", "/edit")
    _dialogue(session)
    assert server.bodies("POST", "conversations/5/turns") == []
    told = capsys.readouterr().err
    assert "There is no /agian." in told
    assert "Error: Nothing has been said yet." in told


def test_a_path_is_no_command(session, server, typing):
    typing("/etc/hosts has what in it?")
    _dialogue(session)
    assert server.bodies("POST", "conversations/5/turns") == [{"text": "/etc/hosts has what in it?"}]


def test_an_answer_that_failed_does_not_end_the_conversation(session, talk, server, typing, capsys):
    talk.status = "failed"
    typing("Hello", "Still there?")
    _dialogue(session)
    assert capsys.readouterr().err.count("There is no answer: the node died.") == 2
    assert len(server.bodies("POST", "conversations/5/turns")) == 2


def test_ctrl_c_stops_the_answer_and_not_the_conversation(session, server, typing, capsys, monkeypatch):
    stopped = []

    def stream(client, out, task_id):
        if not stopped:
            stopped.append(task_id)
            raise KeyboardInterrupt
        return task(task_id)

    monkeypatch.setattr(chatting, "stream_task", stream)
    typing("Hello", KeyboardInterrupt(), "Go on")
    _dialogue(session)
    assert len(server.bodies("POST", "tasks/1/cancel")) == 1
    assert len(server.bodies("POST", "conversations/5/turns")) == 2
    assert "Stopped." in capsys.readouterr().err


def test_one_question_for_scripts_is_answered_with_the_turn(server, talk, capsys):
    session = Session(Flags(server.url, KEY, as_json=True))
    talk.status = "failed"
    with pytest.raises(WorkFailed):
        say_once(session, Chat(session, "writer"), "Hello")
    session.close()
    assert '"text": "Hello"' in capsys.readouterr().out

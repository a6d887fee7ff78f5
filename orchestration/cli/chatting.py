"""A conversation at the terminal: what is typed is said or is a command of its own, answers come token by token."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

from orchestration.cli.failures import Failure, Refused, WorkFailed
from orchestration.cli.session import Session
from orchestration.cli.streaming import stream_task
from orchestration.cli.text import line
from orchestration.cli.views import summary

Json = dict[str, Any]
PROMPT, MORE = ">>> ", "... "
FENCE = '"""'
HELP = """\
/again         another answer to the same words
/edit TEXT     say something else in the place of the last words
/model [NAME]  answer with this model; without a name the agent decides
/new           a new conversation
/history       what was said so far
/help          this
/bye           leave; Ctrl-D too. The conversation stays.
Ctrl-C stops an answer. \"\"\" begins and ends a text of several lines."""


class Chat:
    """One conversation, begun with the first thing that is said unless it is there already."""

    def __init__(
        self,
        session: Session,
        agent: str,
        conversation: Json | None = None,
        *,
        model: str = "",
        document_ids: Sequence[int] = (),
    ) -> None:
        self._session = session
        self._agent = agent
        self._conversation = conversation
        self._model = model
        self._document_ids = list(document_ids)

    @property
    def last_turn(self) -> Json | None:
        turns = (self._conversation or {}).get("turns") or []
        return turns[-1] if turns else None

    def say(self, text: str) -> Json:
        """The turn with its answer when that has ended."""
        body: Json = {"text": text} | self._wished()
        if self._document_ids:
            body["document_ids"] = self._document_ids
        turn = self._asked("turns", body)
        self._document_ids = []  # they stay with the conversation
        return turn

    def again(self) -> Json:
        return self._asked(f"turns/{self._last_id()}/regenerate", self._wished())

    def edit(self, text: str) -> Json:
        return self._asked(f"turns/{self._last_id()}/edit", {"text": text})

    def begin(self) -> Json:
        if self._conversation is None:
            self._conversation = self._session.client.post("conversations", {"agent_id": self._agent})
        return self._conversation

    def leave(self) -> None:
        self._conversation = None

    def answer_with(self, model: str) -> None:
        self._model = model

    def _wished(self) -> Json:
        return {"model_name": self._model} if self._model else {}

    def _last_id(self) -> int:
        if self.last_turn is None:
            raise Refused("Nothing has been said yet.")
        return int(self.last_turn["id"])

    def _asked(self, place: str, body: Json) -> Json:
        conversation_id = self.begin()["id"]
        path = f"conversations/{conversation_id}/{place}"
        turn: Json = self._session.client.request("POST", path, body=body, headers={"Idempotency-Key": str(uuid4())})
        try:
            self._follow(turn)
        finally:
            self._conversation = self._session.client.get(f"conversations/{conversation_id}")
        return self.last_turn or turn

    def _follow(self, turn: Json) -> None:
        if turn["answer"] is None:
            return
        task_id, out = turn["answer"]["task_id"], self._session.out
        try:
            task = stream_task(self._session.client, out, task_id)
        except KeyboardInterrupt:
            self._session.client.post(f"tasks/{task_id}/cancel")
            raise
        if out.is_live:
            out.note(summary(task))
        if task["status"] != "completed":
            raise WorkFailed(f"There is no answer: {line(task.get('error') or task['status'])}.")


class Dialogue:
    """Reads what is typed until the person leaves."""

    def __init__(self, session: Session, chat: Chat) -> None:
        self._out = session.out
        self._chat = chat

    def run(self) -> None:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  gives input() its line editing and history
        for text in _typed():
            try:
                if not self._done(text):
                    return
            except KeyboardInterrupt:
                self._out.note("Stopped. What was written so far counts.")
            except (Refused, WorkFailed) as failure:
                self._out.failure(failure)

    def _done(self, text: str) -> bool:
        """False when the person leaves."""
        word, _, rest = text.partition(" ")
        if word in ("/bye", "/exit", "/quit"):
            return False
        command = self._commands().get(word)
        if command is not None:
            command(rest.strip())
        elif word.startswith("/") and "/" not in word[1:]:
            self._out.note(f"There is no {word}.\n{HELP}")
        else:
            self._chat.say(text)
        return True

    def _commands(self) -> dict[str, Callable[[str], object]]:
        return {
            "/again": lambda rest: self._chat.again(),
            "/edit": self._edit,
            "/model": self._model,
            "/new": self._new,
            "/history": lambda rest: tell(self._out.note, self._out.output, self._chat.begin()),
            "/help": lambda rest: self._out.note(HELP),
        }

    def _edit(self, text: str) -> None:
        if text:
            self._chat.edit(text)
        else:
            self._out.note("Write the new words behind it: /edit TEXT")

    def _model(self, name: str) -> None:
        self._chat.answer_with(name)
        self._out.note(f"Answers come from {name}." if name else "The agent decides about the model.")

    def _new(self, rest: str) -> None:
        self._chat.leave()
        self._out.note("A new conversation begins.")


def tell(heading: Callable[[str], None], output: Callable[[str], None], conversation: Json) -> None:
    """All turns of the branch that is shown."""
    for turn in conversation.get("turns") or []:
        heading(f"{PROMPT}{turn['text']}")
        answer = turn["answer"] or {}
        if answer.get("output"):
            output(answer["output"])
        elif answer.get("error"):
            heading(f"No answer: {line(answer['error'])}")


def _typed() -> Iterator[str]:
    """What a person types, one text at a time; Ctrl-D ends it, Ctrl-C takes back a line."""
    while True:
        try:
            text = _one_text()
        except EOFError:
            sys.stdout.write("\n")
            return
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            continue
        if text.strip():
            yield text


def _one_text() -> str:
    text = input(PROMPT)
    if not text.lstrip().startswith(FENCE):
        return text
    text = text.lstrip().removeprefix(FENCE)
    while not text.rstrip().endswith(FENCE):
        text += "\n" + input(MORE)
    return text.rstrip().removesuffix(FENCE).strip("\n")


def say_once(session: Session, chat: Chat, text: str) -> None:
    """One question, one answer: for scripts and pipes."""
    failure: Failure | None = None
    try:
        turn = chat.say(text)
    except WorkFailed as error:
        failure, turn = error, chat.last_turn or {}
    if session.out.as_json:
        session.out.json(turn)
    if failure is not None:
        raise failure

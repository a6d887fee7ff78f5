"""The text of one task as it is written: token by token on the terminal, as it comes in a pipe."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from rich.status import Status
from rich.text import Text

from orchestration.cli.client import Client
from orchestration.cli.failures import Unreachable
from orchestration.cli.printing import Printer
from orchestration.cli.text import Cleaner, line

Json = dict[str, Any]
KEPT = 8_000
PATIENCE_SECONDS = 60.0
"""How long a lost connection is tried again."""

WORDS = {
    "blocked": "waits for a step before it",
    "held": "waits for its run",
    "waiting": "waits",
    "retrying": "waits for its next try",
    "starting": "starts",
    "loading": "loads the model",
    "prefill": "reads the prompt",
    "generating": "writes",
    "working": "works",
    "cancelling": "is being cancelled",
}


@dataclass(slots=True)
class Feed:
    """Where a task stands and the last of what it wrote, for a view that shows several at once."""

    state: str = ""
    detail: str = ""
    text: str = ""
    ended: bool = False
    _cleaner: Cleaner = field(default_factory=Cleaner)

    def take(self, told: Json) -> None:
        match told.get("type"):
            case "attempt":
                self.text, self._cleaner = "", Cleaner()
            case "text" if told["offset"] == 0:
                self._cleaner = Cleaner()
                self.text = self._cleaner.feed(told["text"])[-KEPT:]
            case "text":
                self.text = (self.text + self._cleaner.feed(told["text"]))[-KEPT:]
            case "state":
                self.state, self.detail = told["state"], where(told)
            case _:
                self.ended = "status" in told


def where(told: Json) -> str:
    """Model and node, or why it waits."""
    if told.get("waiting_reason"):
        return line(told["waiting_reason"])
    place = [line(told["model"])] if told.get("model") else []
    return " on ".join([*place, line(told["node"])]) if told.get("node") else "".join(place)


class Writer:
    """Writes the stream of one task: what it does until the first token, then the tokens."""

    def __init__(self, out: Printer) -> None:
        self._out = out
        self._cleaner = Cleaner()
        self._written = 0
        self._ends_line = True
        self._status: Status | None = None

    def __enter__(self) -> "Writer":
        if self._out.is_live:
            self._status = self._out.console.status(Text("…"))
            self._status.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop_status()
        if not self._ends_line:
            self._out.piece("\n")

    def take(self, told: Json) -> None:
        match told.get("type"):
            case "text":
                self._text(told)
            case "attempt" if self._written:
                self._begin_anew()
            case "state" if self._status is not None:
                words = WORDS.get(told["state"], told["state"])
                self._status.update(Text(f"{words}  {line(told['message'] or where(told))}"))

    def _text(self, told: Json) -> None:
        """After a reconnection the stream begins with what was written already."""
        fresh = told["text"][max(0, self._written - told["offset"]) :]
        self._written += len(fresh)
        if piece := self._cleaner.feed(fresh):
            self._stop_status()
            self._out.piece(piece)
            self._ends_line = piece.endswith("\n")

    def _begin_anew(self) -> None:
        self._out.piece("" if self._ends_line else "\n")
        self._out.note("It is tried again; the text begins anew.")
        self._written, self._cleaner, self._ends_line = 0, Cleaner(), True

    def _stop_status(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


async def until_end(client: Client, task_id: int, take: Callable[[Json], None]) -> Json:
    """Hands every line on and returns the last one, the task. A lost connection is taken up again."""
    loop = asyncio.get_running_loop()
    async with client.asynchronous() as connection:
        ends = loop.time() + PATIENCE_SECONDS
        while True:
            try:
                async for told in client.lines(connection, f"tasks/{task_id}/stream"):
                    ends = loop.time() + PATIENCE_SECONDS
                    if "status" in told:
                        return told
                    take(told)
                raise Unreachable(f"The stream of task {task_id} ended before its task did.")
            except Unreachable:
                if loop.time() > ends:
                    raise
                await asyncio.sleep(1)


def stream_task(client: Client, out: Printer, task_id: int) -> Json:
    """The task when it has ended. With ``--json`` nothing is written on the way."""
    with ExitStack() as stack:
        take = (lambda told: None) if out.as_json else stack.enter_context(Writer(out)).take
        return asyncio.run(until_end(client, task_id, take))

"""The topic of one task: its row, its details, and its text from the attempt that writes it now.

Whatever is reloaded when, the text a reader ends up with is the stored output: at the end the two are compared, and a
difference is mended by a snapshot.
"""

import asyncio
from contextlib import suppress
from typing import Any

from dashboard.live.hub import Event, Frame
from dashboard.live.reads import read
from dashboard.live.text import Tail
from dashboard.live.topics import REASONS_SECONDS, Parts, Port, Refresher, Topic, number
from orchestration import queries
from orchestration.payloads import TaskPayload, WaitingPayload

LAST_WORDS_SECONDS = 1.0
"""The end of the row and the end of the text come on two ways; so long the first waits for the second."""
ENDED = frozenset({"completed", "failed", "cancelled"})


class TaskTopic(Topic):
    def __init__(self, port: Port, argument: str, query: str) -> None:
        super().__init__(port, argument, query)
        self.task_id = number(argument)
        self.tail = Tail(None)
        self.status = ""
        self.version = -1
        self._details = Refresher(port, f"task:{self.task_id}", _details, self.task_id)
        self._watched: int | None = None
        self._early: list[Frame] | None = None
        self._wait: tuple[str | None, WaitingPayload | None] = (None, None)
        self._reason_at = 0.0
        self._ends: set[str] = set()
        self._both_ended = asyncio.Event()
        self._ending = False

    async def snapshot(self) -> Any:
        self.close()
        detail = await read(queries.task_detail, self.task_id)
        self.status, self.version = detail["status"], detail["version"]
        self._wait = detail["waiting_reason"], detail["waiting"]
        self._forget_end()
        text = _stored(detail)
        if self.status == "running" and detail["attempt_id"]:
            text |= await self._begin(detail["attempt_id"])
        else:
            self.tail = Tail(detail["attempt_id"], text["text"], text["thinking"])
        return {"task": _without_text(detail), "text": text}

    async def _begin(self, attempt_id: int) -> Parts:
        """The text of this attempt so far; from now on what follows goes to the reader."""
        written: list[Frame] = []
        self.close()
        self._watched, self._early = attempt_id, []
        history = await self.port.hub.watch(attempt_id, self._on_frame)
        tail = self.tail = Tail(attempt_id)
        early, self._early = self._early or [], None
        for frame in [*history, *early]:
            written.append(tail.take(frame))
            self._note_end(frame)
        return _joined(attempt_id, written)

    def close(self) -> None:
        if self._watched is not None:
            self.port.hub.unwatch(self._watched, self._on_frame)
            self._watched = None

    def on_event(self, event: Event) -> None:
        if event.kind == "task" and event.data["id"] == self.task_id:
            self._on_row(event)
        elif event.kind == "progress" and self.status == "running":
            for row in event.data["rows"]:
                if row[0] == self.task_id:
                    self.port.add(event.seq, {"progress": [row]})
        elif event.kind in REASONS_SECONDS and self.status == "pending":
            self._look_for_reason(event.seq, REASONS_SECONDS[event.kind])
        elif self._is_told_anew(event):
            self.port.snap_again()

    def _is_told_anew(self, event: Event) -> bool:
        """It is gone, or many changed at once without saying which."""
        if event.kind == "task_deleted":
            return bool(event.data["id"] == self.task_id)
        return event.kind == "tasks_changed" and self.status not in ENDED

    def _on_row(self, event: Event) -> None:
        row = event.data
        if row["version"] < self.version:
            return
        self.version, self.status = row["version"], row["status"]
        if self.status == "pending" and row["waiting_reason"] is None:
            row = {**row, "waiting_reason": self._wait[0], "waiting": self._wait[1]}
        self.port.add(event.seq, {"row": row})
        self._details.want(event.seq)
        if self.status in ENDED:
            self._end("row")
        elif self.status == "running" and row["attempt_id"] not in (None, self._watched):
            self.port.spawn(self._follow(row["attempt_id"]))

    async def _follow(self, attempt_id: int) -> None:
        """Another attempt writes now: its text begins at 0."""
        self._forget_end()
        text = await self._begin(attempt_id)
        if self._watched == attempt_id:
            frame = {"attempt": attempt_id, "o": 0, "t": text["text"], "ho": 0, "h": text["thinking"]}
            self.port.add(None, {"text": {**frame, "c": text["tool_calls"], "p": text["phase"]}})

    def _on_frame(self, frame: Frame) -> None:
        if self._early is not None:
            self._early.append(frame)
            return
        fresh = self.tail.take(frame)
        if len(fresh) > 1:
            self.port.add(None, {"text": fresh})
        self._note_end(frame)

    def _note_end(self, frame: Frame) -> None:
        if "end" in frame:
            self._end("text")

    def _forget_end(self) -> None:
        self._ends.clear()
        self._both_ended.clear()

    def _end(self, what: str) -> None:
        self._ends.add(what)
        if len(self._ends) == 2 or self._watched is None:
            self._both_ended.set()
        if not self._ending:
            self._ending = True
            self.port.spawn(self._finish())

    async def _finish(self) -> None:
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS_SECONDS):
                    await self._both_ended.wait()
            detail = await read(queries.task_detail, self.task_id)
        finally:
            self._ending = False
        if detail["status"] in ENDED:
            self._compare(detail)

    def _compare(self, detail: TaskPayload) -> None:
        stored = _stored(detail)
        same_attempt = self.tail.attempt == detail["attempt_id"]
        if not same_attempt or not self.tail.equals(stored["text"], stored["thinking"]):
            self.port.snap_again()
            return
        end = {"status": detail["status"], "attempt": self.tail.attempt, "length": self.tail.length}
        self.port.add(None, {"task": _changing(detail), "end": end})

    def _look_for_reason(self, seq: str, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._reason_at >= seconds:
            self._reason_at = now
            self.port.spawn(self._tell_reason(seq))

    async def _tell_reason(self, seq: str) -> None:
        for row in await read(queries.task_rows_by_id, [self.task_id]):
            wait = row["waiting_reason"], row["waiting"]
            if wait[0] != self._wait[0]:
                self._wait = wait
                self.port.add(seq, {"reason": wait[0], "waiting": wait[1]})


def _details(task_id: int) -> Parts:
    return {"task": _changing(queries.task_detail(task_id))}


def _changing(detail: TaskPayload) -> Parts:
    """Without what was sent with the snapshot and stays as it is."""
    return {name: value for name, value in _without_text(detail).items() if name not in ("input", "metadata")}


def _without_text(detail: TaskPayload) -> Parts:
    """Output and thinking travel as text; vectors stay where they are."""
    output = None if isinstance(detail["output"], str) else detail["output"]
    return {**detail, "output": output, "thinking": ""}


def _stored(detail: TaskPayload) -> Parts:
    return {
        "attempt": detail["attempt_id"],
        "text": detail["output"] if isinstance(detail["output"], str) else "",
        "thinking": detail["thinking"],
        "tool_calls": detail["tool_calls"],
        "phase": detail["phase"],
        "ended": detail["status"] if detail["status"] in ENDED else None,
    }


def _joined(attempt_id: int, frames: list[Frame]) -> Parts:
    return {
        "attempt": attempt_id,
        "text": "".join(frame.get("t", "") for frame in frames),
        "thinking": "".join(frame.get("h", "") for frame in frames),
        "tool_calls": next((frame["c"] for frame in reversed(frames) if "c" in frame), []),
        "phase": next((frame["p"] for frame in reversed(frames) if "p" in frame), ""),
    }

"""What one attempt has said so far, and which part of it those who watch have not been sent yet."""

import time
from datetime import datetime
from typing import Any

from django.utils import timezone

from orchestration.ollama.wire import Chunk, ToolCall
from orchestration.payloads.tasks import Progress
from orchestration.policy.states import Phase

Frame = dict[str, Any]
"""The wire shape is explained in events.py: o/t and ho/h text with its offset, c tool calls, p phase, n tokens."""


class Words:
    """A text that grows: pieces are joined when they are sent, not when they come."""

    __slots__ = ("_fresh", "_length", "_sent", "append")

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._fresh: list[str] = []
        self._length = 0
        self.append = self._fresh.append

    def __str__(self) -> str:
        return "".join(self._sent) + "".join(self._fresh)

    def take(self, *, whole: bool) -> tuple[int, str]:
        """The new part with its offset in code points, or everything from the start."""
        offset = self._length
        if self._fresh:
            fresh = "".join(self._fresh)
            self._fresh.clear()
            self._sent.append(fresh)
            self._length += len(fresh)
        else:
            fresh = ""
        return (0, str(self)) if whole else (offset, fresh)


class Feed:
    """Belongs to the event loop; ``add`` is called for every token and does next to nothing."""

    __slots__ = (
        "_calls_sent",
        "_dirty",
        "_phase_sent",
        "attempt_id",
        "calls",
        "closed_at",
        "end",
        "first_at",
        "first_token_at",
        "key",
        "limit",
        "message",
        "opened",
        "phase",
        "phase_since",
        "rated",
        "task_id",
        "text",
        "thinking",
        "tokens",
        "told",
        "whole",
    )

    def __init__(
        self, dirty: "dict[Feed, None]", *, attempt_id: int, task_id: int, key: tuple[str, str], limit: int
    ) -> None:
        self.attempt_id = attempt_id
        self.task_id = task_id
        self.key = key
        self.limit = limit
        self.text = Words()
        self.thinking = Words()
        self.calls: list[dict[str, Any]] = []
        self.tokens = 0
        self.rated = 0
        self.told: int | None = None
        self.first_at: float | None = None
        self.first_token_at: datetime | None = None
        self.phase = Phase.QUEUED
        self.message = ""
        self.phase_since = timezone.now()
        self.end = ""
        self.closed_at = 0.0
        self.opened = False
        self.whole = False
        self._phase_sent: Phase | None = None
        self._calls_sent = 0
        self._dirty = dirty

    def enter(self, phase: Phase, message: str) -> None:
        self.phase, self.message, self.phase_since = phase, message, timezone.now()
        self._dirty[self] = None

    def add(self, chunk: Chunk) -> None:
        if self.first_at is None:
            self._begin()
        if chunk.text:
            self.text.append(chunk.text)
            self.tokens += 1
        if chunk.thinking:
            self.thinking.append(chunk.thinking)
            self.tokens += 1
        if chunk.tool_calls:
            self.calls.extend(map(_native, chunk.tool_calls))
        self._dirty[self] = None

    def count(self, chunk: Chunk) -> None:
        """Of a call whose words are not, or not yet, what those who watch read."""
        if self.first_at is None:
            self._begin()
        self.tokens += bool(chunk.text) + bool(chunk.thinking)
        self._dirty[self] = None

    def say(self, text: str) -> None:
        self.text.append(text)
        self._dirty[self] = None

    def tell(self, percent: float, message: str) -> None:
        """How far it is, by what only whoever does it knows."""
        self.told, self.message = max(0, min(99, int(percent))), message
        self._dirty[self] = None

    def beside(self) -> "Feed":
        """Another one for the same attempt, which nobody watches."""
        return Feed({}, attempt_id=self.attempt_id, task_id=self.task_id, key=self.key, limit=0)

    def _begin(self) -> None:
        self.first_at = time.monotonic()
        self.first_token_at = timezone.now()
        self.enter(Phase.GENERATING, "")

    def close(self, end: str) -> None:
        self.end = end
        self.closed_at = time.monotonic()
        self._dirty[self] = None

    @property
    def tokens_per_second(self) -> float | None:
        if self.first_at is None or self.tokens < 2:
            return None
        return round((self.tokens - 1) / max(time.monotonic() - self.first_at, 0.001), 1)

    @property
    def percent(self) -> int:
        """As it was told, or of the tokens it may write, when that is bounded; otherwise nobody knows."""
        if self.told is not None:
            return self.told
        return min(99, 100 * self.tokens // self.limit) if self.limit > 0 else 0

    def frames(self) -> list[Frame]:
        """What is to be sent now: a frame if there is something new in it, and the last one at the end."""
        frame = self._frame()
        return ([frame] if frame else []) + ([{"end": self.end}] if self.end else [])

    def _frame(self) -> Frame:
        whole, self.whole = self.whole, False
        frame: Frame = {}
        for words, offset_name, text_name in ((self.text, "o", "t"), (self.thinking, "ho", "h")):
            offset, text = words.take(whole=whole)
            if text:
                frame[offset_name], frame[text_name] = offset, text
        if self.calls and (whole or len(self.calls) > self._calls_sent):
            frame["c"], self._calls_sent = list(self.calls), len(self.calls)
        if whole or self.phase != self._phase_sent:
            frame["p"] = self._phase_sent = self.phase
        if frame:
            frame["n"] = self.tokens
        return frame

    def again(self) -> None:
        """What was sent may be lost: everything once more, as one frame from the start."""
        self.whole, self.opened = True, False
        self._dirty[self] = None

    def progress(self) -> Progress:
        return Progress(
            attempt_id=self.attempt_id,
            phase=self.phase,
            progress=self.percent,
            message=self.message,
            output_tokens=self.tokens,
            tokens_per_second=self.tokens_per_second,
            phase_since=self.phase_since.isoformat(),
        )


def _native(call: ToolCall) -> dict[str, Any]:
    """A tool call as Ollama sends it."""
    function = {"index": call.index, "name": call.name, "arguments": call.arguments}
    return {"id": call.id, "function": function} if call.id else {"function": function}

"""What one socket still has to send and what its reader has not confirmed yet: merging, pacing, and the limit.

Nothing here does I/O or looks at a clock. However slow the reader, what waits for it stays small: text is joined, of
rows and numbers only the latest is kept, and who confirms nothing for too long is let go.
"""

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]
Parts = dict[str, Any]

ACK_EVERY = 20
UNACKED_FRAMES = 64
UNACKED_BYTES = 4 * 1024 * 1024
HELD_BYTES = 1024 * 1024
STALL_SECONDS = 30.0
ROWS_AT_ONCE = 400
ROW_BYTES = 700

TOKENS_SECONDS = 0.05
ROWS_SECONDS = 0.2
METRICS_SECONDS = 1.0


def _replace(_: Any, value: Any) -> Any:
    return value


def _extend(old: list[Any], value: list[Any]) -> list[Any]:
    return [*old, *value]


def _join(old: Message, frame: Message) -> Message:
    """Text that follows directly on the text before it, as the topic guarantees; another attempt starts anew."""
    if old["attempt"] != frame["attempt"]:
        return frame
    joined = {**old, **frame}
    for offset, text in (("o", "t"), ("ho", "h")):
        if text in old:
            joined[offset] = old[offset]
            joined[text] = old[text] + frame.get(text, "")
    return joined


@dataclass(frozen=True, slots=True)
class _Kind:
    """How often a part of a delta may leave, and what becomes of one that waits when the next comes.

    With ``key`` the part is a list of which the last item for each key is kept.
    """

    every: float
    merge: Callable[[Any, Any], Any] = _replace
    key: Callable[[Any], Hashable] | None = None


_KINDS = {
    "text": _Kind(TOKENS_SECONDS, _join),
    "end": _Kind(TOKENS_SECONDS),
    "row": _Kind(ROWS_SECONDS),
    "task": _Kind(ROWS_SECONDS),
    "rows": _Kind(ROWS_SECONDS, key=lambda row: int(row["id"])),
    "lines": _Kind(ROWS_SECONDS, key=lambda line: str(line["key"])),
    "gone": _Kind(ROWS_SECONDS, key=int),
    "progress": _Kind(ROWS_SECONDS, key=lambda row: int(row[0])),
    "notices": _Kind(ROWS_SECONDS, _extend),
}
_METRIC = _Kind(METRICS_SECONDS)


class _Pending:
    """Of one topic: the seq its reader has, the seq of what waits, and the parts that wait."""

    def __init__(self, sent: str, seq: str) -> None:
        self.sent = sent
        self.seq = seq
        self.parts: Parts = {}

    def add(self, parts: Parts) -> None:
        for name, value in parts.items():
            kind = _KINDS.get(name, _METRIC)
            if kind.key:
                self.parts.setdefault(name, {}).update({kind.key(item): item for item in value})
            else:
                self.parts[name] = kind.merge(self.parts[name], value) if name in self.parts else value
        self._settle(parts)

    def _settle(self, fresh: Parts) -> None:
        """A row is shown or gone, whichever came last; progress of a task that no longer runs is old."""
        for row in fresh.get("rows", ()):
            self._forget("gone", row["id"])
            if row["status"] != "running":
                self._forget("progress", row["id"])
        for task_id in fresh.get("gone", ()):
            self._forget("rows", task_id)

    def _forget(self, name: str, task_id: int) -> None:
        if name in self.parts and self.parts[name].pop(task_id, None) is not None and not self.parts[name]:
            del self.parts[name]

    @property
    def rows(self) -> int:
        return sum(len(self.parts.get(name, ())) for name in ("rows", "lines", "gone"))

    @property
    def size(self) -> int:
        text = self.parts.get("text", {})
        rows = self.rows + len(self.parts.get("progress", ()))
        return len(text.get("t", "")) + len(text.get("h", "")) + rows * ROW_BYTES

    @property
    def paces(self) -> set[float]:
        return {_KINDS.get(name, _METRIC).every for name in self.parts}

    def take(self, ready: set[float]) -> Parts:
        """The parts whose time has come; the end of a text takes everything else along."""
        everything = "end" in self.parts and TOKENS_SECONDS in ready
        names = [name for name in self.parts if everything or _KINDS.get(name, _METRIC).every in ready]
        taken = {name: self.parts.pop(name) for name in names}
        return {name: list(part.values()) if _is_keyed(name) else part for name, part in taken.items()}


def _is_keyed(name: str) -> bool:
    return _KINDS.get(name, _METRIC).key is not None


class Outbox:
    """Everything one socket still has to send."""

    def __init__(self) -> None:
        self._urgent: list[Message] = []
        self._pending: dict[str, _Pending] = {}
        self._last: dict[float, float] = {}

    def snap(self, topic: str, seq: str, data: Any) -> None:
        """The whole of a topic; whatever waited for it is part of it."""
        self.drop(topic)
        self._pending[topic] = _Pending(seq, seq)
        self._urgent.append({"type": "snap", "topic": topic, "seq": seq, "data": data})

    def go_on(self, topic: str, since: str, seq: str) -> None:
        """Instead of a snapshot: the reader has everything up to ``since`` and is told what came after."""
        self.drop(topic)
        self._pending[topic] = _Pending(seq, seq)
        self._urgent.append({"type": "delta", "topic": topic, "seq": seq, "prev": since})

    def error(self, topic: str | None, code: str, message: str) -> None:
        self._urgent.append({"type": "error", "topic": topic, "code": code, "message": message})

    def add(self, topic: str, seq: str | None, parts: Parts) -> bool:
        """Text has no seq of its own. False when so many rows wait that a snapshot is shorter."""
        pending = self._pending.get(topic)
        if pending is None:
            return True
        pending.seq = seq or pending.seq
        pending.add(parts)
        return pending.rows <= ROWS_AT_ONCE

    def drop(self, topic: str) -> None:
        self._pending.pop(topic, None)
        self._urgent = [message for message in self._urgent if message["topic"] != topic]

    def clear(self) -> None:
        self._pending.clear()
        self._urgent.clear()

    @property
    def size(self) -> int:
        """Roughly the bytes of what grows while it waits."""
        return sum(pending.size for pending in self._pending.values())

    def due_in(self, now: float) -> float | None:
        """Seconds until something may leave; None when there is nothing."""
        if self._urgent:
            return 0.0
        waits = [self._wait(every, now) for pending in self._pending.values() for every in pending.paces]
        return min(waits, default=None)

    def take(self, now: float) -> list[Message]:
        """What may leave now: each snapshot or error alone, all deltas together."""
        urgent, self._urgent = self._urgent, []
        ready = {kind.every for kind in (*_KINDS.values(), _METRIC) if self._wait(kind.every, now) <= 0}
        deltas = []
        for topic, pending in self._pending.items():
            parts = pending.take(ready)
            if parts:
                self._last.update({_KINDS.get(name, _METRIC).every: now for name in parts})
                deltas.append({"type": "delta", "topic": topic, "seq": pending.seq, "prev": pending.sent, **parts})
                pending.sent = pending.seq
        return [*urgent, {"type": "batch", "frames": deltas}] if len(deltas) > 1 else [*urgent, *deltas]

    def _wait(self, every: float, now: float) -> float:
        return max(0.0, self._last.get(every, now - every) + every - now)


@dataclass(slots=True)
class _Sent:
    at: float
    size: int
    is_snap: bool


class Window:
    """Frames sent and not confirmed. The reader confirms at least every 20th with the number it has got in all."""

    def __init__(self) -> None:
        self._unacked: deque[_Sent] = deque()
        self._acked = 0
        self.bytes = 0
        self.snap_bytes = 0

    def __len__(self) -> int:
        return len(self._unacked)

    def sent(self, now: float, size: int, *, is_snap: bool = False) -> None:
        self._unacked.append(_Sent(now, size, is_snap))
        self._count(size, is_snap)

    def ack(self, received: int) -> None:
        for _ in range(min(received - self._acked, len(self._unacked))):
            first = self._unacked.popleft()
            self._count(-first.size, first.is_snap)
            self._acked += 1

    def _count(self, size: int, is_snap: bool) -> None:
        if is_snap:
            self.snap_bytes += size
        else:
            self.bytes += size

    @property
    def is_full(self) -> bool:
        """Nothing more may leave; what comes is merged."""
        crowded = len(self._unacked) >= UNACKED_FRAMES
        return crowded or self.bytes > HELD_BYTES or self.snap_bytes > UNACKED_BYTES

    def is_lost(self, now: float, waiting_bytes: int) -> bool:
        """A confirmation is overdue by far, or too much has piled up: the reader does not read."""
        owed = self.is_full or len(self._unacked) >= ACK_EVERY
        stalled = owed and now - self._unacked[0].at > STALL_SECONDS
        return stalled or self.bytes + waiting_bytes > UNACKED_BYTES

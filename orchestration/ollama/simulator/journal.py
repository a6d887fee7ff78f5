"""The node's own truth about its requests, for tests and benchmarks to compare with what a client believes."""

import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

PHASES = ("queued", "load", "slot", "prefill", "decode", "other")


@dataclass(slots=True)
class Record:
    """One request. Times are of the monotonic clock; ``phase`` is where it is, or where it ended."""

    number: int
    path: str
    started: float
    model: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    num_ctx: int | None = None
    phase: str = "other"
    first_byte: float | None = None
    ended: float | None = None
    outcome: str = ""
    status: int | None = None
    prompt_tokens: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Disconnect:
    at: float
    path: str
    model: str
    phase: str


class Journal:
    """Counts everything, remembers the last ``keep`` requests."""

    def __init__(self, keep: int = 500) -> None:
        self._records: deque[Record] = deque(maxlen=keep)
        self._disconnects: deque[Disconnect] = deque(maxlen=keep)
        self._open: dict[int, Record] = {}
        self._number = 0
        self.requests: Counter[str] = Counter()
        self.disconnects: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.loads: Counter[str] = Counter()
        self.aborted_loads = 0
        self.unloads = 0

    def open(self, path: str) -> Record:
        self._number += 1
        record = Record(self._number, path, time.monotonic())
        self.requests[path] += 1
        self._open[record.number] = record
        self._records.append(record)
        return record

    def close(self, record: Record, outcome: str) -> None:
        record.ended = time.monotonic()
        record.outcome = record.outcome or outcome
        self.outcomes[record.outcome] += 1
        self._open.pop(record.number, None)
        if record.outcome == "disconnected":
            self.disconnects[record.phase] += 1
            self._disconnects.append(Disconnect(record.ended, record.path, record.model, record.phase))

    def in_phase(self, phase: str, model: str | None = None) -> int:
        return sum(record.phase == phase and model in (None, record.model) for record in self._open.values())

    def snapshot(self) -> dict[str, Any]:
        open_phases = Counter(record.phase for record in self._open.values())
        return {
            "counts": {
                "requests": dict(self.requests),
                "outcomes": dict(self.outcomes),
                "disconnects": {phase: self.disconnects[phase] for phase in PHASES},
                "loads": dict(self.loads),
                "loads_total": self.loads.total(),
                "aborted_loads": self.aborted_loads,
                "unloads": self.unloads,
            },
            "phases": {phase: open_phases[phase] for phase in PHASES},
            "disconnects": [asdict(entry) for entry in self._disconnects],
            "requests": [asdict(record) for record in self._records],
        }

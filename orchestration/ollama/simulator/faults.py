"""Faults that can be switched on while the server runs: which, how often, for whom, after how many tokens."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

NETWORK = frozenset({"refuse", "die"})
BEFORE = frozenset({"reset", "busy", "not_found", "server_error", "html", "body", "freeze", "slow_first_byte"})
DURING = frozenset({"error_line", "truncate", "stall", "garbage", "drop", "runner_crash"})
OTHERS = frozenset({"load_error", "wrong_digest", "pull_drop"})
KINDS = NETWORK | BEFORE | DURING | OTHERS

_FROZEN_PATHS = ("/api/ps", "/api/tags", "/api/version")


@dataclass(slots=True, eq=False)
class Fault:
    """One switch. ``count`` None strikes without end; ``seconds`` is a delay or, for network faults, their duration;
    ``message`` of the kind body is the whole answer, sent as if all were well."""

    kind: str
    model: str | None = None
    path: str | None = None
    count: int | None = None
    probability: float = 1.0
    after_tokens: int = 0
    percent: float = 50.0
    seconds: float | None = None
    message: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault called {self.kind!r}; there are {', '.join(sorted(KINDS))}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Fault":
        known = {entry.name for entry in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"a fault has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        return cls(**values)

    def concerns(self, model: str | None, path: str | None) -> bool:
        if self.count == 0:
            return False
        if self.kind == "freeze":
            return path in ((self.path,) if self.path else _FROZEN_PATHS)
        if self.path not in (None, "*", path) and path is not None:
            return False
        return self.model is None or (model is not None and _same_model(self.model, model))


def _same_model(wanted: str, name: str) -> bool:
    return _tagged(wanted) == _tagged(name)


def _tagged(name: str) -> str:
    return name.lower() if ":" in name.rpartition("/")[2] else f"{name.lower()}:latest"


class FaultBox:
    """The switches of one node. ``changed`` is called after every change, so that listening can follow."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._edition = asyncio.Event()
        self.struck: dict[str, int] = {}
        self.changed: Callable[[], None] = lambda: None

    def add(self, *faults: Fault) -> None:
        self._faults.extend(faults)
        self._announce()

    def replace(self, *faults: Fault) -> None:
        self._faults = list(faults)
        self._announce()

    def remove(self, fault: Fault) -> None:
        if fault in self._faults:
            self._faults.remove(fault)
            self._announce()

    def clear(self, kinds: frozenset[str] = KINDS) -> None:
        self.replace(*(fault for fault in self._faults if fault.kind not in kinds))

    def present(self, kinds: frozenset[str]) -> list[Fault]:
        return [fault for fault in self._faults if fault.kind in kinds]

    def take(self, kinds: str | frozenset[str], model: str | None = None, path: str | None = None) -> Fault | None:
        """The first switch that strikes now; its count goes down."""
        wanted = frozenset({kinds}) if isinstance(kinds, str) else kinds
        return next((fault for fault in self.present(wanted) if self.strikes(fault, model, path)), None)

    def strikes(self, fault: Fault, model: str | None, path: str | None) -> bool:
        if not fault.concerns(model, path) or random.random() >= fault.probability:
            return False
        self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
        if fault.count is not None:
            fault.count -= 1
        return True

    async def until_thawed(self, fault: Fault) -> None:
        """Hang until the switch is taken away, or for its own time."""
        try:
            async with asyncio.timeout(fault.seconds):
                while fault in self._faults:
                    await self._edition.wait()
        except TimeoutError:
            return

    def listing(self) -> list[dict[str, Any]]:
        return [asdict(fault) for fault in self._faults]

    def _announce(self) -> None:
        self._edition.set()
        self._edition = asyncio.Event()
        self.changed()

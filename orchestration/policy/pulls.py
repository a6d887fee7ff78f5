"""How far a pull is: bytes by layer that never go back, the speed of late, and what is left."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

WINDOW_SECONDS = 6.0
"""The speed is that of the last seconds: long enough to be calm, short enough to notice a change."""
LEAST_SECONDS = 0.5


@dataclass(slots=True)
class Layer:
    """``done``: the most that was seen; ``now``: what the server says in this try, None before it did."""

    digest: str
    total: int
    done: int
    now: int | None = None


class Meter:
    """Fed with the lines of one try. ``layers``: what is known from the tries before; ``expected``: of the whole."""

    def __init__(self, layers: Iterable[Mapping[str, Any]] = (), *, expected: int | None = None) -> None:
        self._layers = {each["digest"]: Layer(each["digest"], each["total"], each["done"]) for each in layers}
        self._expected = expected or 0
        self._samples: deque[tuple[float, int]] = deque()
        self._percent = 0.0
        self.stage = ""

    def add(self, status: str, digest: str | None, total: int | None, completed: int | None, *, at: float) -> bool:
        """Whether another stage has begun or a layer is complete: that is worth writing down at once."""
        moved, self.stage = status != self.stage, status
        if digest is None or not total:
            return moved
        layer = self._layers.setdefault(digest, Layer(digest, total, 0))
        if layer.now is None:
            self._samples.clear()  # what is there already did not come just now
        layer.total = max(layer.total, total)
        layer.now = max(0, min(completed or 0, total))
        layer.done = max(layer.done, layer.now)
        self._note(at)
        return moved or layer.now == total

    def complete(self) -> None:
        """The server has said that it has everything."""
        for layer in self._layers.values():
            layer.done = layer.total
        self._expected = 0

    def _note(self, at: float) -> None:
        self._samples.append((at, sum(layer.now or 0 for layer in self._layers.values())))
        while self._samples[-1][0] - self._samples[0][0] > WINDOW_SECONDS:
            self._samples.popleft()

    @property
    def layers(self) -> list[dict[str, Any]]:
        return [{"digest": each.digest, "total": each.total, "done": each.done} for each in self._layers.values()]

    @property
    def done(self) -> int:
        return sum(layer.done for layer in self._layers.values())

    @property
    def total(self) -> int | None:
        """Layers are told one after the other: until the last one it is at least this."""
        known = sum(layer.total for layer in self._layers.values())
        return max(known, self._expected) or None

    @property
    def percent(self) -> float:
        """Of the whole; it never goes back, though a layer nobody knew of makes the whole larger."""
        total = self.total
        self._percent = max(self._percent, 100 * self.done / total if total else 0.0)
        return self._percent

    @property
    def bytes_per_second(self) -> float | None:
        if len(self._samples) < 2:
            return None
        (first_at, first), (last_at, last) = self._samples[0], self._samples[-1]
        return max(0.0, (last - first) / (last_at - first_at)) if last_at - first_at >= LEAST_SECONDS else None

    @property
    def seconds_left(self) -> float | None:
        return seconds_left(self.done, self.total, self.bytes_per_second)

    @property
    def words(self) -> str:
        """``2.1 GB of 4.9 GB, 87 MB/s, 31 s left``; what the server says where it says no bytes."""
        if not self.total or not self.done or _is_about_bytes(self.stage) is False:
            return self.stage
        return in_words(self.done, self.total, self.bytes_per_second)


def _is_about_bytes(stage: str) -> bool:
    return stage.startswith("pulling ") and stage != "pulling manifest"


def seconds_left(done: int, total: int | None, speed: float | None) -> float | None:
    return (total - done) / speed if total and speed else None


def in_words(done: int, total: int | None, speed: float | None) -> str:
    whole = f"{size(done)} of {size(total)}" if total else size(done)
    left = seconds_left(done, total, speed)
    return ", ".join(filter(None, (whole, f"{size(speed)}/s" if speed else "", f"{span(left)} left" if left else "")))


def size(count: float) -> str:
    """As Ollama counts: thousands. Gigabytes with a decimal, anything smaller in whole numbers."""
    for unit, factor, digits in (("TB", 1e12, 1), ("GB", 1e9, 1), ("MB", 1e6, 0), ("kB", 1e3, 0)):
        if count >= factor:
            return f"{count / factor:.{digits}f} {unit}"
    return f"{count:.0f} B"


def span(seconds: float) -> str:
    whole = round(seconds)
    if whole < 100:
        return f"{max(1, whole)} s"
    return f"{round(whole / 60)} min" if whole < 6000 else f"{whole / 3600:.1f} h"

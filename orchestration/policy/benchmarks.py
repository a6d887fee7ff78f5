"""The figures of a benchmark, from Ollama's counts and durations: cells, saturation curves, regressions."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from orchestration.policy.spread import Change, Spread, change, spread_of

SATURATED = 0.85
"""The lowest level with so much of the highest throughput is the knee."""
RELOAD_SECONDS = 1.0
"""A measured request that waited longer for its model found it gone."""
HIGHER_IS_BETTER = {"first_token": False, "prefill": True, "decode": True, "total": True}
"""The figures of a cell that are compared between runs."""


class Key(NamedTuple):
    """What was measured together: ``prompt`` is its name, ``concurrency`` how many were asked at once."""

    model: str
    node: str
    prompt: str
    concurrency: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request that has ended. Times in seconds, ``started`` and ``ended`` on any clock that all samples share.

    ``first_token_seconds`` counts from the start, loading included; ``inside_seconds`` it waited for a slot in Ollama.
    """

    key: Key
    repeat: int
    ok: bool
    started: float = 0.0
    ended: float = 0.0
    prompt_tokens: int = 0
    output_tokens: int = 0
    load_seconds: float = 0.0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    first_token_seconds: float | None = None
    inside_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """``first_token`` in seconds without loading; the rest in tokens per second: ``prefill`` and ``decode`` of a single
    stream, ``total`` of all streams together. ``at_once``: how many really ran beside each other, on average."""

    key: Key
    requests: int
    errors: int
    reloads: int
    prompt_tokens: int
    output_tokens: int
    inside_seconds: float
    at_once: float | None
    first_token: Spread | None
    prefill: Spread | None
    decode: Spread | None
    total: Spread | None


def first_token(sample: Sample) -> float | None:
    """Without the time in which the model was loaded."""
    whole = sample.first_token_seconds
    return None if whole is None else max(0.0, whole - sample.load_seconds)


def prefill_rate(sample: Sample) -> float | None:
    return _rate(sample.prompt_tokens, sample.prefill_seconds)


def decode_rate(sample: Sample) -> float | None:
    return _rate(sample.output_tokens, sample.decode_seconds)


def _rate(tokens: int, seconds: float) -> float | None:
    return tokens / seconds if tokens and seconds > 0 else None


def cells(samples: Iterable[Sample]) -> list[Cell]:
    """In the order in which they were first asked for."""
    groups: dict[Key, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.key].append(sample)
    return [_cell(key, group) for key, group in groups.items()]


def _cell(key: Key, samples: Sequence[Sample]) -> Cell:
    good = [sample for sample in samples if sample.ok]
    repeats: dict[int, list[Sample]] = defaultdict(list)
    for sample in good:
        repeats[sample.repeat].append(sample)
    parts = [repeats[number] for number in sorted(repeats)]
    busy, worked = sum(map(_busy, parts)), sum(sample.ended - sample.started for sample in good)
    return Cell(
        key=key,
        requests=len(samples),
        errors=len(samples) - len(good),
        reloads=sum(sample.load_seconds > RELOAD_SECONDS for sample in good),
        prompt_tokens=_typical([sample.prompt_tokens for sample in good]),
        output_tokens=_typical([sample.output_tokens for sample in good]),
        inside_seconds=max((sample.inside_seconds for sample in good), default=0.0),
        at_once=worked / busy if busy else None,
        first_token=_spread(parts, first_token),
        prefill=_spread(parts, prefill_rate),
        decode=_spread(parts, decode_rate),
        total=spread_of([_total(part) for part in parts]),
    )


def _spread(parts: Sequence[Sequence[Sample]], figure: Callable[[Sample], float | None]) -> Spread | None:
    return spread_of([[value for sample in part if (value := figure(sample)) is not None] for part in parts])


def _typical(counts: Sequence[int]) -> int:
    return sorted(counts)[len(counts) // 2] if counts else 0


def _total(samples: Sequence[Sample]) -> list[float]:
    busy = _busy(samples)
    return [sum(sample.output_tokens for sample in samples) / busy] if busy else []


def _busy(samples: Sequence[Sample]) -> float:
    """Seconds in which at least one of them ran: pauses between two requests are not the node's."""
    seconds, until = 0.0, 0.0
    for start, end in sorted((sample.started, sample.ended) for sample in samples):
        start = max(start, until)
        seconds += max(0.0, end - start)
        until = max(until, end)
    return seconds


class Point(NamedTuple):
    concurrency: int
    total: float
    first_token: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """``knee``: the last level that was worth it; None where the highest one still was, or only one was tried."""

    model: str
    node: str
    prompt: str
    points: tuple[Point, ...]
    knee: int | None


def curves(found: Iterable[Cell]) -> list[Curve]:
    """Throughput over concurrency, for each model, node and prompt."""
    groups: dict[tuple[str, str, str], list[Point]] = defaultdict(list)
    for cell in found:
        if cell.total:
            late = cell.first_token.p95 if cell.first_token else None
            groups[cell.key[:3]].append(Point(cell.key.concurrency, cell.total.median, late))
    return [_curve(*names, sorted(points)) for names, points in groups.items()]


def _curve(model: str, node: str, prompt: str, points: Sequence[Point]) -> Curve:
    levels = [(point.concurrency, point.total) for point in points]
    return Curve(model=model, node=node, prompt=prompt, points=tuple(points), knee=knee(levels))


def knee(levels: Sequence[tuple[int, float]]) -> int | None:
    """The lowest level that reaches nearly the best; None where that is the highest: more might do better still."""
    best = max((total for _, total in levels), default=0.0)
    found = next((level for level, total in levels if total >= SATURATED * best), None)
    return None if not levels or found == levels[-1][0] else found


def hint(curve: Curve, slots: int) -> str:
    """What to do about the node's slots, in words; empty where nothing was learned."""
    if curve.knee and curve.knee < slots:
        return f"More than {curve.knee} at once bring hardly more here: set the slots of {curve.node} to {curve.knee}."
    highest = curve.points[-1].concurrency
    if curve.knee is None and len(curve.points) > 1 and highest >= slots:
        return f"Not saturated at {highest}: with a higher OLLAMA_NUM_PARALLEL and more slots it may do more."
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How one figure of a cell differs from the run before. ``worse``: in which direction, sure or not."""

    key: Key
    figure: str
    before: float
    now: float
    change: Change
    worse: bool

    @property
    def regressed(self) -> bool:
        return self.worse and self.change.sure is True


def drifts(now: Iterable[Cell], before: Mapping[Key, Mapping[str, Sequence[float]]]) -> list[Drift]:
    """Cell by cell and figure by figure. ``before``: the repeats of an earlier run."""
    found = []
    for cell in now:
        for figure, higher_is_better in HIGHER_IS_BETTER.items():
            spread: Spread | None = getattr(cell, figure)
            earlier = before.get(cell.key, {}).get(figure, ())
            moved = change(earlier, spread.repeats) if spread else None
            if spread is None or moved is None:
                continue
            found.append(
                Drift(
                    key=cell.key,
                    figure=figure,
                    before=sum(earlier) / len(earlier),
                    now=sum(spread.repeats) / len(spread.repeats),
                    change=moved,
                    worse=moved.percent < 0 if higher_is_better else moved.percent > 0,
                )
            )
    return found

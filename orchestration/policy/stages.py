"""The order in which a benchmark asks: stages one after the other on each node, different nodes beside each other.

A stage is one level of concurrency with one prompt: so many streams, each of which asks a few times in a row. All
levels are gone through once before any is repeated, so that a slow spell touches all of them alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple


class Place(NamedTuple):
    """A model on a node."""

    model: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One task to come. ``needs`` and ``after`` are positions in the whole plan; a warm-up has concurrency 0."""

    place: Place
    prompt: int
    concurrency: int
    repeat: int = 0
    needs: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    @property
    def warm_up(self) -> bool:
        return self.concurrency == 0


def plan(levels: Mapping[Place, Sequence[int]], *, prompts: int, repeats: int, rounds: int) -> list[Request]:
    """Every request, in order. ``levels``: how many at once, place by place."""
    requests: list[Request] = []
    last_on: dict[str, tuple[int, ...]] = {}
    for place, of_place in levels.items():
        warm = (len(requests),)
        requests.append(Request(place=place, prompt=0, concurrency=0, after=last_on.get(place.node, ())))
        before: tuple[int, ...] = warm
        for repeat, prompt, level in product(range(repeats), range(prompts), of_place):
            base = Request(place=place, prompt=prompt, concurrency=level, repeat=repeat, needs=warm)
            requests += _stage(base, rounds, len(requests), before)
            before = tuple(range(len(requests) - level, len(requests)))
        last_on[place.node] = before
    return requests


def _stage(base: Request, rounds: int, start: int, before: tuple[int, ...]) -> Iterator[Request]:
    """Request i of a stage follows request i - c; the first c follow the last ones of the stage before."""
    for at in range(base.concurrency * rounds):
        follows = before if at < base.concurrency else (start + at - base.concurrency,)
        yield replace(base, after=tuple(position for position in follows if position not in base.needs))

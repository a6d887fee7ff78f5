"""Ollama's versions over the fleet: which is older, and what it lacks. Facts of the server's own history."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Version = tuple[int, ...]

_DOTTED: Final = re.compile(r"v?(\d+(?:\.\d+)*)")

FEATURES: Final[tuple[tuple[Version, str], ...]] = (
    ((0, 2, 6), "embedding several texts at once (/api/embed)"),
    ((0, 6, 4), "what a model can do, told by the server"),
    ((0, 9, 0), "thinking, apart from the answer"),
    ((0, 9, 6), "the names of tools in messages"),
    ((0, 10, 0), "the context of a loaded model, told by the server"),
    ((0, 11, 0), "levels of thinking: low, medium, high"),
    ((0, 11, 11), "shortened vectors (dimensions)"),
    ((0, 12, 0), "cloud models"),
    ((0, 12, 6), "truncate and shift for prompts that are too long"),
    ((0, 12, 10), "ids of tool calls"),
    ((0, 12, 11), "probabilities of tokens (logprobs)"),
    ((0, 22, 0), "the level of thinking max"),
    ((0, 30, 0), "abilities and context of each model in one list; draft_num_predict"),
)

CHANGES: Final[tuple[tuple[Version, str], ...]] = (
    ((0, 10, 0), "OLLAMA_NUM_PARALLEL is 1 where nobody sets it; before, 4 or 1 by itself"),
    ((0, 30, 0), "an embedding request to a chat model is refused"),
    ((0, 32, 10), "repeat_penalty is 1.0 where nobody sets it; before, 1.1"),
)
"""What behaves otherwise from that version on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """A node behind the newest of the fleet: what it lacks, and what it does otherwise."""

    node: str
    version: str
    lacks: tuple[str, ...]
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """``behind``: the nodes that lack something or differ, the oldest first."""

    oldest: str
    newest: str
    behind: tuple[Lag, ...]


def parsed(version: str) -> Version | None:
    """None for what is no release, such as 0.0.0 of a server that somebody built."""
    found = _DOTTED.match(version.strip())
    numbers = tuple(int(part) for part in found[1].split(".")) if found else ()
    return numbers if any(numbers) else None


def spread(versions: Mapping[str, str]) -> Spread | None:
    """Of node names to versions. None while fewer than two different releases are known."""
    known = {node: (number, told) for node, told in versions.items() if (number := parsed(told))}
    ordered = sorted(known.items(), key=lambda item: (item[1][0], item[0]))
    if len({number for _, (number, _) in ordered}) < 2:
        return None
    newest = ordered[-1][1]
    lags = [_lag(node, number, told, newest[0]) for node, (number, told) in ordered if number < newest[0]]
    return Spread(
        oldest=ordered[0][1][1],
        newest=newest[1],
        behind=tuple(lags),
    )


def _lag(node: str, number: Version, told: str, newest: Version) -> Lag:
    return Lag(
        node=node, version=told, lacks=_between(FEATURES, number, newest), differs=_between(CHANGES, number, newest)
    )


def _between(history: tuple[tuple[Version, str], ...], older: Version, newer: Version) -> tuple[str, ...]:
    return tuple(words for since, words in history if older < since <= newer)

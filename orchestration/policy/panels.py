"""A comparison's cells side by side: which figure is best, and who sees them in which order when names are hidden."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from string import ascii_uppercase

HIGHER_IS_BETTER = {"first_token_seconds": False, "prefill_rate": True, "decode_rate": True}
"""The figures of an answer that can be better or worse than those beside it."""


def best(cells: Sequence[Mapping[str, float | None]]) -> dict[str, int]:
    """By figure: the place of the best cell, where at least two are known and they differ."""
    found = {}
    for figure, higher in HIGHER_IS_BETTER.items():
        known = [(value, place) for place, cell in enumerate(cells) if (value := cell.get(figure)) is not None]
        if len({value for value, _ in known}) > 1:
            found[figure] = (max if higher else min)(known)[1]
    return found


def shuffled(count: int, *, run_id: int, voter_id: int, row: int) -> list[int]:
    """An order of the columns that is the same for the same voter and row at every visit, and tells nothing."""
    return sorted(range(count), key=lambda column: sha256(f"{run_id}/{voter_id}/{row}/{column}".encode()).digest())


def letter(place: int) -> str:
    """What an answer is called while its name is hidden: A, B, …, Z, AA, AB, …"""
    name = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, len(ascii_uppercase))
        name = ascii_uppercase[rest] + name
    return name

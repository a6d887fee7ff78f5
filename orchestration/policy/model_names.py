"""Model names taken apart, whether what somebody calls a model is installed, and sizes read from text."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from orchestration.policy.routing import full_name

_UNITS: Final = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s?([KMGT]B)", re.IGNORECASE)
_PARAMETERS: Final = re.compile(r"e?(?:\d{1,3}x)?\d{1,5}(?:\.\d{1,3})?[kmbt]", re.IGNORECASE)


class Presence(StrEnum):
    """How a name stands to what is installed."""

    EXACT = "exact"
    OTHER_TAG = "other_tag"  # the same model is there, with other tags
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameStatus:
    """``name`` in full; ``others``: installed names of the same model with other tags."""

    name: str
    presence: Presence
    others: tuple[str, ...] = ()


def base_name(name: str) -> str:
    """Without the tag; a colon before a slash belongs to a host's port."""
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def tag_of(name: str) -> str:
    full = full_name(name)
    return full[len(base_name(full)) + 1 :]


def name_status(name: str, installed: Collection[str]) -> NameStatus:
    """``llama3.2`` is ``llama3.2:latest``, as for Ollama: with only ``llama3.2:3b`` installed another tag is there."""
    wanted = full_name(name)
    names = {full_name(other) for other in installed}
    others = tuple(sorted(other for other in names if other != wanted and base_name(other) == base_name(wanted)))
    if wanted in names:
        return NameStatus(name=wanted, presence=Presence.EXACT, others=others)
    return NameStatus(name=wanted, presence=Presence.OTHER_TAG if others else Presence.ABSENT, others=others)


def near_names(name: str, known: Collection[str], *, most: int = 3) -> list[str]:
    """Other known names that are like this one, the nearest first."""
    wanted = full_name(name)[:200]
    return get_close_matches(wanted, sorted({*known} - {wanted}), n=most, cutoff=0.5)


def bytes_of(text: str) -> int | None:
    """``5.2 GB`` as a number of bytes. None for anything else: ``8b`` and ``7B`` count parameters, not bytes."""
    found = _SIZE.fullmatch(text.strip())
    return round(float(found[1]) * _UNITS[found[2].upper()]) if found else None


def is_parameter_count(text: str) -> bool:
    """``8b``, ``1.5B``, ``8x7b``, ``e4b``, ``137M``."""
    return bool(_PARAMETERS.fullmatch(text.strip()))

"""What a list of vectors must be to be kept: one for each text, finite numbers, all of the same length."""

import math
from typing import Any


def problem_of(rows: Any, count: int | None = None) -> str:
    """In words that follow "vectors"; empty when there is none. ``count``: how many there must be."""
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        return "that are no lists"
    if count is not None and len(rows) != count:
        return f"of which there are {len(rows):,} for {count:,} texts"
    if not all(row and _is_finite(row) for row in rows):
        return "that are empty or have something in them that is no finite number"
    if len({len(row) for row in rows}) > 1:
        return "that are not all of the same length"
    return ""


def _is_finite(row: list[Any]) -> bool:
    try:
        return all(map(math.isfinite, row))
    except (TypeError, OverflowError):
        return False

"""How models are to answer, as presets, the fleet's defaults and model configurations say it: what is wrong with it."""

from typing import Any, Protocol

from orchestration.errors import InvalidInput
from orchestration.policy.options import checked_options
from orchestration.queries.levels import Levels
from orchestration.services.specs import THINK_LEVELS


class Manner(Protocol):
    options: Any
    think: Any


class WithPreset(Manner, Protocol):
    preset: str


def check_manner(row: WithPreset, *, preset: bool) -> dict[str, str]:
    """Every problem by its field, an option's by its name; what is right is made right. ``preset``: it was named now:
    one that has gone since stops nobody from changing something else."""
    problems = check_values(row, runner=True)
    if preset and row.preset:
        try:
            Levels().wanted(row.preset)
        except InvalidInput as error:
            problems["preset"] = error.message
    return problems


def check_values(row: Manner, *, runner: bool) -> dict[str, str]:
    problems: dict[str, str] = {}
    if not isinstance(row.options, dict):
        problems["options"] = "options maps option names to values."
    else:
        row.options, problems = checked_options(row.options, runner=runner)
    if not (row.think is None or isinstance(row.think, bool) or row.think in THINK_LEVELS):
        problems["think"] = f"think is true, false or one of {', '.join(THINK_LEVELS)}; null says nothing."
    return problems

"""What holds for a task: each level says something or nothing, and the nearest that says something wins.

The settings come first, then the fleet's defaults, the model, the agent, the task. A level's own values win over those
of the preset it names, and both over the levels before it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

USUAL = "as the model does"
SETTINGS = "settings"
FLEET = "fleet defaults"
TASK = "task"
PROMPT = "what prompt and answer need"
KEEP_ALIVE = "keep_alive_seconds"
OTHERS = ("think", "format", "timeout_seconds", KEEP_ALIVE)
"""What is decided level by level beside the options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetValues:
    """A named set of options."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    think: bool | str | None = None


class Found(NamedTuple):
    """A value, and who said it."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What one place says; None where it says nothing. ``lengthens``: its keep-alive is a wish that never shortens."""

    origin: str
    options: Mapping[str, Any] = field(default_factory=dict)
    think: bool | str | None = None
    format: Any = None
    timeout_seconds: float | None = None
    keep_alive_seconds: float | None = None
    preset: PresetValues | None = None
    lengthens: bool = False

    def said(self) -> dict[str, Found]:
        """By name, with the preset's values where it has none of its own."""
        found = {name: Found(value, self.origin) for name, value in self._own()}
        if self.preset is None:
            return found
        origin = of_preset(self.preset.name, self.origin)
        below = {name: Found(value, origin) for name, value in self.preset.options.items()}
        if self.preset.think is not None:
            below["think"] = Found(self.preset.think, origin)
        return {**below, **found}

    def _own(self) -> Iterator[tuple[str, Any]]:
        yield from self.options.items()
        for name in OTHERS:
            value = getattr(self, name)
            if value is not None:
                yield name, value


def of_model(name: str) -> str:
    return f"model {name}"


def of_agent(name: str) -> str:
    return f"agent {name}"


def of_preset(name: str, origin: str) -> str:
    return f"preset {name} of {'the ' if origin in (TASK, FLEET) else ''}{origin}"


def is_own(origin: str) -> bool:
    """Whether the task itself says it, or the preset it names."""
    return origin == TASK or (origin.startswith("preset ") and origin.endswith(f" of the {TASK}"))


def unthinking(level: Level) -> Level:
    """For models that cannot think: servers refuse to make them. What the task itself insists on stays."""
    preset = level.preset
    if preset is not None and preset.think:
        preset = replace(preset, think=None)
    wish = None if level.think and level.origin != TASK else level.think
    return replace(level, think=wish, preset=preset)


def effective(levels: Sequence[Level]) -> dict[str, Found]:
    """The value of everything that anybody says something of. ``levels``: the farthest first."""
    found: dict[str, Found] = {}
    for level in levels:
        said = level.said()
        if level.lengthens and KEEP_ALIVE in said and KEEP_ALIVE in found:
            said[KEEP_ALIVE] = max(found[KEEP_ALIVE], said[KEEP_ALIVE], key=lambda it: float(it.value))
        found |= said
    return found


def first(name: str, levels: Iterable[Level]) -> Found | None:
    """What the nearest level says of one thing. ``levels``: the nearest first."""
    return next((said[name] for level in levels if name in (said := level.said())), None)

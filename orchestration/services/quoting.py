"""Tasks that quote the answers of tasks before them: which placeholders mean which, and what follows from that."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestration.errors import Unprocessable
from orchestration.policy.templates import references
from orchestration.services.specs import TaskSpec

_STEP = re.compile(r"step([1-9]\d{0,5})")


def texts_of(spec: TaskSpec) -> list[str]:
    """Where placeholders may stand."""
    texts = [spec.input] if isinstance(spec.input, str) else list(spec.input)
    return [*texts, *(message.get("content", "") for message in spec.messages or ())]


def names_of(specs: Sequence[TaskSpec]) -> dict[str, int]:
    """Where the steps that have a name stand."""
    return {spec.step: position for position, spec in enumerate(specs) if spec.step}


def quoting(spec: TaskSpec, number: int, named: Mapping[str, int]) -> TaskSpec:
    """The task at this place of a chain, needing the one before it and all that it quotes.

    ``{{previous}}``, ``{{step1}}``, ``{{name}}`` and ``{{steps.name.output}}`` are answers; other braces stay text.
    Raises Unprocessable for a step that is not before it.
    """
    names: dict[str, int] = {}
    for name in {reference.name for text in texts_of(spec) for reference in references(text)}:
        position = _position(name, number, named)
        if position is not None:
            names[name] = _earlier(name, position, number)
    needs = sorted({*spec.needs, *([number - 1] if number else []), *names.values()})
    template = as_template(spec, {"names": names}) if names else spec.template
    return replace(spec, needs=needs, template=template)


def as_template(spec: TaskSpec, more: Mapping[str, Any]) -> dict[str, Any]:
    """What services/steps.py fills in when the steps before have ended."""
    return {"input": spec.input, "messages": spec.messages, **more}


def position_of(name: str, named: Mapping[str, int]) -> int | None:
    """Of the step that a placeholder means: ``name``, ``steps.name.output`` or ``steps.name.outputs``."""
    parts = name.split(".")
    if len(parts) == 3 and parts[0] == "steps" and parts[2] in ("output", "outputs"):
        name = parts[1]
    if name in named:
        return named[name]
    counted = _STEP.fullmatch(name)
    return int(counted[1]) - 1 if counted else None


def _position(name: str, number: int, named: Mapping[str, int]) -> int | None:
    return number - 1 if name == "previous" else position_of(name, named)


def _earlier(name: str, position: int, number: int) -> int:
    if not 0 <= position < number:
        known = ", ".join(_known(number)) or "none: it is the first"
        raise Unprocessable(
            f"Step {number + 1} quotes {{{{{name}}}}}, which is not a step before it; it may quote {known}.",
            placeholder=name,
            step=number + 1,
        )
    return position


def _known(number: int) -> Iterable[str]:
    return [f"{{{{step{earlier + 1}}}}}" for earlier in range(min(number, 5))]

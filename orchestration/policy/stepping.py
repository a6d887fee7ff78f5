"""What the steps of a workflow need of each other: by placeholder, by name, or by the order they were given in."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from orchestration.errors import InvalidInput
from orchestration.policy.conditions import parse
from orchestration.policy.graph import downstream, find_cycle, order
from orchestration.policy.templates import references
from orchestration.policy.workflows import Definition, Problem, Step, invalid, near

_STEP_NUMBER = re.compile(r"step([1-9]\d{0,5})")
_OF_ITEM = ("item", "index")
MOST_PROBLEMS = 100
"""Nobody reads more, and looking for the name that was meant takes its time with each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A step at its place of the submission: after all that it needs. Numbers are such places.

    ``names`` has a place for every placeholder that is an answer, as written between the braces. ``number`` is the
    step's place in the order given.
    """

    step: Step
    number: int
    needs: tuple[int, ...]
    after: tuple[int, ...]
    names: Mapping[str, int]


def plan(definition: Definition) -> list[Planned]:
    """Raises InvalidWorkflow for references to nothing, for conditions that cannot be read and for cycles."""
    looking = _Looking(definition)
    answers = [dict(looking.answers(number)) for number in range(len(definition.steps))]
    edges = looking.edges(answers)
    if looking.problems:
        raise invalid(looking.problems)
    _check_cycle(definition, edges)
    for name, before in _in_order(definition, edges):
        edges[name] = [before]
    placed = {name: place for place, name in enumerate(order(edges))}
    numbers = {step.name: number for number, step in enumerate(definition.steps)}
    return [_planned(definition.steps[numbers[name]], numbers[name], edges, answers, placed) for name in placed]


def edges_of(planned: Collection[Planned]) -> dict[str, list[str]]:
    """For drawings: by step, the steps it waits for."""
    names = [each.step.name for each in planned]
    return {each.step.name: [names[place] for place in (*each.needs, *each.after)] for each in planned}


def _planned(
    step: Step,
    number: int,
    edges: Mapping[str, Collection[str]],
    answers: list[dict[str, str]],
    placed: Mapping[str, int],
) -> Planned:
    hard = [name for name in edges[step.name] if name not in step.after or name in answers[number].values()]
    needs = {placed[name] for name in hard}
    return Planned(
        step=step,
        number=number,
        needs=tuple(sorted(needs)),
        after=tuple(sorted({placed[name] for name in step.after} - needs)),
        names={written: placed[name] for written, name in answers[number].items()},
    )


def _check_cycle(definition: Definition, edges: Mapping[str, Collection[str]]) -> None:
    cycle = find_cycle(edges)
    if cycle is None:
        return
    number = next(at for at, step in enumerate(definition.steps) if step.name == cycle[0])
    words = "It needs its own answer." if len(cycle) == 2 else f"Steps wait for each other: {' → '.join(cycle)}."
    raise invalid([Problem(message=words, field="depends_on", step=cycle[0], number=number)])


def _in_order(definition: Definition, edges: Mapping[str, Collection[str]]) -> Iterator[tuple[str, str]]:
    """Steps that name nothing they wait for, each with the nearest one before it that does not itself wait for it."""
    for number, step in enumerate(definition.steps):
        if edges[step.name] or step.depends_on is not None:
            continue
        behind = downstream(edges, step.name)
        before = [each.name for each in definition.steps[:number] if each.name not in behind]
        if before:
            yield step.name, before[-1]


class _Looking:
    """Goes through the steps once and notes what is wrong."""

    def __init__(self, definition: Definition) -> None:
        self.problems: list[Problem] = []
        self._steps = definition.steps
        self._by_name = {step.name: step for step in definition.steps}
        self._inputs = {each.name for each in definition.inputs}

    def answers(self, number: int) -> Iterator[tuple[str, str]]:
        """Placeholder as written, and the step whose answer it is."""
        placeholders = () if self._has_enough() else dict.fromkeys(self._placeholders(number))
        for where, written in placeholders:
            name = self._answer(number, where, written)
            if name:
                yield written, name
            if self._has_enough():
                return

    def edges(self, answers: list[dict[str, str]]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for number, step in enumerate(self._steps):
            wanted = [*self._named(number, "depends_on"), *answers[number].values(), *self._named(number, "after")]
            found[step.name] = list(dict.fromkeys(wanted))
        return found

    def _named(self, number: int, field: str) -> Iterator[str]:
        for name in getattr(self._steps[number], field) or ():
            if name in self._by_name:
                yield name
            elif not self._has_enough():
                self._note(number, field, f"There is no step {name[:60]!r} to wait for. {near(name, self._by_name)}")

    def _placeholders(self, number: int) -> Iterator[tuple[str, str]]:
        step = self._steps[number]
        for where, text in (*step.texts(), ("for_each", step.for_each or "")):
            for reference in references(text):
                yield where, reference.name
        if step.condition:
            try:
                for name in parse(step.condition).names:
                    yield "condition", name
            except InvalidInput as error:
                self._note(number, "condition", error.message)

    def _answer(self, number: int, where: str, written: str) -> str | None:
        """The step whose answer it is; None for an input or an item, and where a problem has been noted."""
        first, _, rest = written.partition(".")
        if first == "input":
            self._check_input(number, where, rest)
        elif first == "steps":
            return self._of_steps(number, where, rest)
        elif first in _OF_ITEM:
            self._check_item(number, where, written)
        elif written == "previous":
            return self._previous(number, where)
        elif counted := _STEP_NUMBER.fullmatch(written):
            return self._counted(number, where, int(counted[1]))
        elif written in self._by_name:
            return written
        else:
            self._missing(number, where, written)
        return None

    def _check_input(self, number: int, where: str, name: str) -> None:
        if name not in self._inputs:
            hint = near(name, sorted(self._inputs), lambda each: f"{{{{input.{each}}}}}")
            self._note(number, where, f"There is no input {name!r}. {hint}")

    def _of_steps(self, number: int, where: str, rest: str) -> str | None:
        name, _, part = rest.partition(".")
        if part not in ("output", "outputs"):
            self._note(number, where, f"{{{{steps.{rest}}}}} has to be {{{{steps.{name or 'name'}.output}}}}.")
        elif name not in self._by_name:
            self._missing(number, where, f"steps.{rest}", name)
        elif part == "outputs" and self._by_name[name].for_each is None:
            self._note(number, where, f"Only a step with for_each has outputs; write {{{{steps.{name}.output}}}}.")
        else:
            return name
        return None

    def _check_item(self, number: int, where: str, written: str) -> None:
        if self._steps[number].for_each is None or where in ("for_each", "condition"):
            self._note(number, where, f"{{{{{written}}}}} means something only in the prompt of a step with for_each.")

    def _previous(self, number: int, where: str) -> str | None:
        if number:
            return self._steps[number - 1].name
        self._note(number, where, "{{previous}} is the step before; this is the first.")
        return None

    def _counted(self, number: int, where: str, counted: int) -> str | None:
        if counted <= len(self._steps):
            return self._steps[counted - 1].name
        self._note(number, where, f"There is no step {counted}; the workflow has {len(self._steps)}.")
        return None

    def _missing(self, number: int, where: str, written: str, name: str = "") -> None:
        names = [step for step in self._by_name if step != self._steps[number].name]
        hint = near(name or written, names, lambda each: f"{{{{{each}}}}}")
        words = f"{{{{{written[:80]}}}}} is no step and no input. {hint} A text with braces is written \\{{{{…}}}}."
        self._note(number, where, words)

    def _has_enough(self) -> bool:
        return len(self.problems) >= MOST_PROBLEMS

    def _note(self, number: int, field: str, message: str) -> None:
        name = self._steps[number].name
        self.problems.append(Problem(message=message, field=field, step=name, number=number))

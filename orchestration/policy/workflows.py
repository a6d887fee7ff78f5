"""Definitions of workflows: named steps read from plain JSON, and that as plain JSON again.

What is read here has the right shape; policy/stepping.py says what its steps need of each other.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from typing import Any

from orchestration.errors import InvalidWorkflow

NAME = re.compile(r"[A-Za-z_][\w-]*")
MOST_STEPS = 500
MOST_INPUTS = 100
LONGEST_NAME = 60
LONGEST_WORKFLOW_NAME = 80
LONGEST_TEXT = 1_000_000
LONGEST_SECONDS = 30 * 86_400
DEEPEST = 60
_RESERVED = re.compile(r"step\d+|steps|previous|input|item|index")
_SHOWN = 5
_UNKNOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """``number`` counts the steps from 0 as they were given; None for what concerns the whole."""

    message: str
    field: str = ""
    step: str = ""
    number: int | None = None

    def __str__(self) -> str:
        who = "" if self.number is None else f"Step “{self.step or self.number + 1}”: "
        return f"{who}{self.message}"


def invalid(problems: Sequence[Problem]) -> InvalidWorkflow:
    """The error that names them; ``problems`` in its detail says where each is."""
    more = f" And {len(problems) - _SHOWN} more." if len(problems) > _SHOWN else ""
    listed = [{name: getattr(each, name) for name in ("message", "field", "step", "number")} for each in problems]
    words = " ".join(str(each) for each in problems[:_SHOWN]) + more
    error = InvalidWorkflow(words, problems=problems)
    error.detail["problems"] = listed
    return error


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What ``{{input.name}}`` stands for. One that is not required and has no default is empty."""

    name: str
    default: Any = None
    required: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    max_seconds: float | None = None
    max_steps: int | None = None
    max_tokens: int | None = None
    max_parallel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """``depends_on`` None: by its placeholders, else after the step before it; empty: it starts at once.

    ``after`` are steps that need only have ended. ``for_each`` makes a task of every item of a list: ``parallel`` at
    once, ``most`` in all.
    """

    name: str
    type: str
    input: str | list[str] | None = None
    messages: list[dict[str, Any]] | None = None
    system: str | None = None
    agent: str | int | None = None
    model_name: str = ""
    depends_on: tuple[str, ...] | None = None
    after: tuple[str, ...] = ()
    condition: str = ""
    for_each: str | None = None
    parallel: int | None = None
    most: int | None = None
    preset: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    format: Any = None
    think: bool | str | None = None
    timeout_seconds: float | None = None
    max_tries: int | None = None

    def texts(self) -> Iterator[tuple[str, str]]:
        """Field and text, for every text that is filled in with the answers of other steps."""
        for text in [self.input] if isinstance(self.input, str) else self.input or ():
            yield "input", text
        for message in self.messages or ():
            yield "messages", message.get("content", "")
        yield "system", self.system or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    name: str
    description: str = ""
    agent: str | int | None = None
    continue_on_error: bool = False
    limits: Limits = Limits()
    inputs: tuple[Input, ...] = ()
    steps: tuple[Step, ...] = ()


Note = Callable[[str, str], None]
"""Called with a field and what is wrong with it."""


def read(data: Any) -> Definition:
    """Raises InvalidWorkflow with every problem of its shape."""
    problems: list[Problem] = []

    def note(name: str, message: str) -> None:
        problems.append(Problem(message=message, field=name))

    if not isinstance(data, Mapping):
        raise invalid([Problem(message="A workflow is an object with name and steps.")])
    if not storable(data):
        raise invalid([Problem(message="It is nested too deeply, or has what no database can keep.")])
    given = _Fields(data, [each.name for each in fields(Definition)], note)
    definition = Definition(
        name=given.text("name", most=LONGEST_WORKFLOW_NAME).strip(),
        description=given.text("description", most=10_000),
        agent=given.agent(),
        continue_on_error=given.flag("continue_on_error"),
        limits=_limits(given.mapping("limits"), note),
        inputs=tuple(_inputs(given.mapping("inputs"), note)),
        steps=tuple(_steps(given.listed("steps"), problems)),
    )
    _check_workflow_name(definition.name, note)
    if not 1 <= len(definition.steps) <= MOST_STEPS and "steps" not in {each.field for each in problems}:
        note("steps", f"A workflow has 1 to {MOST_STEPS} steps, not {len(definition.steps)}.")
    if problems:
        raise invalid(problems)
    return definition


def as_json(definition: Definition) -> dict[str, Any]:
    """As it is stored: what is as by default is left out. ``read`` makes the same definition of it."""
    plain = _plain(definition)
    if definition.inputs:
        plain["inputs"] = {
            each.name: {k: v for k, v in _plain(each).items() if k != "name"} for each in definition.inputs
        }
    return plain


def _plain(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in fields(value):
        own = getattr(value, each.name)
        if own == each.default or (each.name == "parameters" and not own):
            continue
        if is_dataclass(own):
            own = _plain(own)
        elif isinstance(own, tuple):
            own = [_plain(item) if is_dataclass(item) else item for item in own]
        found[each.name] = own
    return found


def storable(data: Any) -> bool:
    """Whether it can be kept as JSON: not too deep, no NUL, no half surrogates, no infinite numbers."""
    level: list[Any] = [data]
    for _ in range(DEEPEST):
        level = [part for item in level for part in _parts(item)]
        if not all(map(_clean, level)):
            return False
        if not level:
            return True
    return False


def _parts(item: Any) -> Iterable[Any]:
    if isinstance(item, Mapping):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else ()


def _clean(part: Any) -> bool:
    if isinstance(part, str):
        return "\x00" not in part and _encodable(part)
    if isinstance(part, float):
        return math.isfinite(part)
    return part is None or isinstance(part, bool | int | list | Mapping)


def _encodable(text: str) -> bool:
    """Half of a surrogate pair is not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def near(word: str, known: Iterable[str], mark: Callable[[str], str] = str) -> str:
    """A hint in words: the nearest names, else all of them."""
    names = list(known)
    found = get_close_matches(word, names, n=2, cutoff=0.6)
    if found:
        return f"Did you mean {' or '.join(map(mark, found))}?"
    return f"There is {', '.join(map(mark, names[:10]))}." if names else "There is none."


def _check_workflow_name(name: str, note: Note) -> None:
    if not name:
        note("name", "Give the workflow a name.")
    elif name.isdigit() or "/" in name:
        note("name", "A name is no number and has no slash: it stands in addresses.")


def _limits(data: Mapping[str, Any], note: Note) -> Limits:
    given = _Fields(data, [each.name for each in fields(Limits)], lambda name, words: note(f"limits.{name}", words))
    return Limits(
        max_seconds=given.number("max_seconds", most=LONGEST_SECONDS),
        max_steps=given.whole("max_steps"),
        max_tokens=given.whole("max_tokens", most=10**12),
        max_parallel=given.whole("max_parallel"),
    )


def _inputs(data: Mapping[str, Any], note: Note) -> Iterator[Input]:
    if len(data) > MOST_INPUTS:
        note("inputs", f"A workflow has at most {MOST_INPUTS} inputs.")
    for name, told in data.items():
        if not isinstance(name, str) or not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            note("inputs", f"{str(name)[:80]!r} is no name: letters, digits, _ and -, a letter first.")
        elif told is not None and not isinstance(told, Mapping):
            note(f"inputs.{name}", f"The input {name} is an object with default, required and description.")
        else:
            yield _input(name, told or {}, note)


def _input(name: str, data: Mapping[str, Any], note: Note) -> Input:
    known = ("default", "required", "description")
    given = _Fields(data, known, lambda where, words: note(f"inputs.{name}.{where}", words))
    text = given.text("description", most=1000)
    return Input(name=name, default=data.get("default"), required=given.flag("required"), description=text)


def _steps(data: Sequence[Any], problems: list[Problem]) -> Iterator[Step]:
    seen: dict[str, int] = {}
    for number, told in enumerate(data[: MOST_STEPS + 1]):
        name = str(told.get("name", ""))[:LONGEST_NAME] if isinstance(told, Mapping) else ""

        def note(where: str, message: str, name: str = name, number: int = number) -> None:
            problems.append(Problem(message=message, field=where, step=name, number=number))

        if not isinstance(told, Mapping):
            note("", "A step is an object with name, type and input.")
            continue
        step = _step(told, note)
        if step.name in seen:
            note("name", f"The name {step.name} is taken: step {seen[step.name] + 1} has it.")
        seen.setdefault(step.name, number)
        yield step


def _step(data: Mapping[str, Any], note: Note) -> Step:
    given = _Fields(data, [each.name for each in fields(Step)], note)
    messages = given.messages()
    step = Step(
        name=given.text("name"),
        type=given.text("type", most=80) or ("generate" if messages is None else "chat"),
        input=given.prompt(),
        messages=messages,
        system=given.optional_text("system"),
        agent=given.agent(),
        model_name=given.text("model_name", most=200),
        depends_on=given.names("depends_on"),
        after=given.names("after") or (),
        condition=given.text("condition").strip(),
        for_each=given.optional_text("for_each"),
        parallel=given.whole("parallel"),
        most=given.whole("most"),
        preset=given.text("preset", most=60),
        parameters=given.mapping("parameters"),
        format=given.one_of("format", (str, Mapping), 'format is "json", a JSON schema, or "text" for none.'),
        think=given.one_of("think", (bool, str), "think is true, false or a level."),
        timeout_seconds=given.number("timeout_seconds", most=LONGEST_SECONDS),
        max_tries=given.whole("max_tries", most=100),
    )
    _check_step(step, note)
    return step


def _check_step(step: Step, note: Note) -> None:
    if not NAME.fullmatch(step.name) or len(step.name) > LONGEST_NAME:
        note("name", f"A step has a name: letters, digits, _ and -, a letter first, at most {LONGEST_NAME}.")
    elif _RESERVED.fullmatch(step.name):
        note("name", f"{step.name} means something else in placeholders; choose another name.")
    if step.input is not None and step.messages is not None:
        note("input", "A step has input or messages, not both.")
    elif step.messages is None and not any(text.strip() for name, text in step.texts() if name == "input"):
        note("input", "The input is empty: say what the model should do.")
    if step.for_each is None and (step.parallel is not None or step.most is not None):
        note("for_each", "parallel and most go with for_each.")
    elif step.for_each is not None and not step.for_each.strip():
        note("for_each", "for_each is a list, mostly {{the answer of a step}}.")


class _Fields:
    """Takes fields out of an object and notes what is wrong with each."""

    def __init__(self, data: Mapping[str, Any], known: Collection[str], note: Note) -> None:
        self._data = data
        self._note = note
        for name in [str(name) for name in data if name not in known][:_UNKNOWN]:
            note(name[:80], f"There is no field {name[:80]!r}. {near(name[:80], known)}")

    def one_of(self, name: str, kinds: tuple[type, ...], words: str) -> Any:
        """None where it is not given or wrong."""
        value = self._data.get(name)
        if value is None:
            return None
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            self._note(name, words)
            return None
        return value

    def optional_text(self, name: str, most: int = LONGEST_TEXT) -> str | None:
        text: str | None = self.one_of(name, (str,), f"{name} is a text.")
        if text is not None and len(text) > most:
            self._note(name, f"{name} has at most {most:,} characters.")
        return text

    def text(self, name: str, most: int = LONGEST_TEXT) -> str:
        return self.optional_text(name, most) or ""

    def flag(self, name: str) -> bool:
        return bool(self.one_of(name, (bool,), f"{name} is true or false."))

    def agent(self) -> str | int | None:
        found: str | int | None = self.one_of("agent", (str, int), "agent is an id or a name.")
        return found or None

    def number(self, name: str, most: float) -> float | None:
        value: float | None = self.one_of(name, (int, float), f"{name} is a number.")
        if value is not None and not 0 < value <= most:
            self._note(name, f"{name} is more than 0 and at most {most:,}.")
        return value

    def whole(self, name: str, most: int = 100_000) -> int | None:
        value: int | None = self.one_of(name, (int,), f"{name} is a whole number.")
        if value is not None and not 1 <= value <= most:
            self._note(name, f"{name} is from 1 to {most:,}.")
        return value

    def mapping(self, name: str) -> Mapping[str, Any]:
        return self.one_of(name, (Mapping,), f"{name} is an object.") or {}

    def listed(self, name: str) -> Sequence[Any]:
        return self.one_of(name, (list,), f"{name} is a list.") or []

    def names(self, name: str) -> tuple[str, ...] | None:
        """One name may stand without a list."""
        value = self.one_of(name, (list, str), f"{name} is a list of step names.")
        if value is None:
            return None
        listed = [value] if isinstance(value, str) else value
        if not all(isinstance(each, str) for each in listed):
            self._note(name, f"{name} is a list of step names.")
            return ()
        return tuple(dict.fromkeys(listed))

    def prompt(self) -> str | list[str] | None:
        words = "input is a text, or for embed a list of texts."
        value: str | list[str] | None = self.one_of("input", (str, list), words)
        if isinstance(value, list) and not all(isinstance(each, str) for each in value):
            self._note("input", words)
            return None
        return value

    def messages(self) -> list[dict[str, Any]] | None:
        words = "messages is a list of objects with role and content."
        value = self.one_of("messages", (list,), words)
        if value is None:
            return None
        if not all(isinstance(each, dict) and isinstance(each.get("content", ""), str) for each in value):
            self._note("messages", words)
            return None
        return list(value)

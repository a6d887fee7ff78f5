"""Which extensions are installed, and those that were asked for, loaded once for each process.

Names are known without importing anything. One that cannot be loaded fails whoever asks for it, and nobody else.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple, cast

from orchestration.errors import DroverError, ExtensionFailed, InvalidInput
from orchestration.extensions.api import AgentExtension, Need, RouteChoice, Router, RouteRequest, TaskHandler
from orchestration.extensions.isolation import within
from orchestration.policy.schemas import check_schema
from orchestration.policy.states import ErrandType, TaskType

LOAD_SECONDS = 30.0
ROUTE_SECONDS = 2.0
CUSTOM = "custom"
"""Stands for the task type that ``parameters.handler`` names."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RESERVED = frozenset({CUSTOM, *TaskType, *ErrandType})


class Kind(StrEnum):
    """The groups of entry points."""

    TASK_TYPE = "drover.task_types"
    AGENT = "drover.agents"
    ROUTER = "drover.routers"

    @property
    def words(self) -> str:
        return {Kind.TASK_TYPE: "task type", Kind.AGENT: "agent extension", Kind.ROUTER: "router"}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """``package``: name and version. ``problem``: why it cannot be used; empty when it can."""

    kind: Kind
    name: str
    package: str
    problem: str = ""

    def __str__(self) -> str:
        words = f"{self.kind.words} {self.name}"
        return f"{words} ({self.package})" if self.package else words


class _Loaded(NamedTuple):
    thing: Any
    problem: ExtensionFailed | None


_loading = threading.Lock()
_loaded: dict[tuple[Kind, str], _Loaded] = {}


@cache
def _entries(kind: Kind) -> Mapping[str, EntryPoint]:
    """Of two packages with the same name for something, the first in the alphabet has it."""
    found = sorted(entry_points(group=kind), key=lambda entry: (_package(entry), entry.name), reverse=True)
    return {entry.name: entry for entry in found if _NAME.fullmatch(entry.name) and not _is_reserved(kind, entry.name)}


def _is_reserved(kind: Kind, name: str) -> bool:
    return kind is Kind.TASK_TYPE and name in _RESERVED


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""


def installed(kind: Kind) -> list[str]:
    """Names, in alphabetical order."""
    return sorted(_entries(kind))


def task_types() -> list[str]:
    return installed(Kind.TASK_TYPE)


def handler(name: str) -> TaskHandler:
    """Raises ExtensionFailed, as the next ones do."""
    return cast(TaskHandler, _load(Kind.TASK_TYPE, name))


def agent_extension(name: str) -> AgentExtension:
    return cast(AgentExtension, _load(Kind.AGENT, name))


def router(name: str) -> Router:
    """Its ``route`` raises ExtensionFailed when it fails, takes too long or chooses what the task may not use."""
    return _GuardedRouter(str(_described(Kind.ROUTER, name)), _load(Kind.ROUTER, name))


def need_of(task_type: str) -> Need:
    """What a model must be able to do for a task of this type. Of one that cannot be loaded nobody knows."""
    if task_type not in _entries(Kind.TASK_TYPE):
        return "embedding" if task_type == TaskType.EMBED else "completion"
    try:
        return handler(task_type).needs
    except ExtensionFailed:
        return "completion"


def inventory() -> list[Installed]:
    """Everything that is installed, loaded to see whether it can be."""
    return [_examined(kind, entry) for kind in Kind for entry in sorted(entry_points(group=kind))]


def failed() -> list[Installed]:
    """Those that this process needed and could not load."""
    found = [(kind, name) for (kind, name), loaded in list(_loaded.items()) if loaded.problem is not None]
    return [_described(kind, name) for kind, name in sorted(found) if name in _entries(kind)]


def _examined(kind: Kind, entry: EntryPoint) -> Installed:
    problem = ""
    if _is_reserved(kind, entry.name):
        problem = f"{entry.name} is a task type of Drover's own"
    elif not _NAME.fullmatch(entry.name):
        problem = "its name must be small letters, digits, - and _, at most 40"
    elif _entries(kind)[entry.name] != entry:
        problem = f"{_package(_entries(kind)[entry.name])} has this name already"
    else:
        try:
            _load(kind, entry.name)
        except ExtensionFailed as error:
            problem = error.message
    return Installed(kind=kind, name=entry.name, package=_package(entry), problem=problem)


def _described(kind: Kind, name: str) -> Installed:
    entry = _entries(kind).get(name)
    return Installed(kind=kind, name=name, package=_package(entry) if entry else "")


def _load(kind: Kind, name: str) -> Any:
    """What failed once is not tried again before the next start."""
    key = (kind, name)
    if key not in _loaded:
        with _loading:
            if key not in _loaded:
                _loaded[key] = _try_to_load(kind, name)
    found = _loaded[key]
    if found.problem is not None:
        raise ExtensionFailed(found.problem.message, **found.problem.detail) from found.problem
    return found.thing


def _try_to_load(kind: Kind, name: str) -> _Loaded:
    what = _described(kind, name)
    entry = _entries(kind).get(name)
    if entry is None:
        return _Loaded(None, ExtensionFailed(f"No {kind.words} {name} is installed here.", extension=name))
    try:
        return _Loaded(within(LOAD_SECONDS, lambda: _made(kind, entry), what=f"Loading the {what}"), None)
    except DroverError as error:
        return _Loaded(None, ExtensionFailed(error.message, extension=name))


def _made(kind: Kind, entry: EntryPoint) -> Any:
    thing = entry.load()
    if isinstance(thing, type):
        thing = thing()
    if problem := _CHECKS[kind](thing):
        raise ExtensionFailed(f"The {_described(kind, entry.name)} has the wrong shape: {problem}.")
    return thing


def _problem_of_handler(thing: Any) -> str:
    needs, schema = getattr(thing, "needs", "completion"), getattr(thing, "parameters", None)
    if not callable(getattr(thing, "run", None)):
        return "it has no method run(context)"
    if needs not in ("completion", "embedding"):
        return f'needs is "completion" or "embedding", not {needs!r}'
    if schema is None:
        return ""
    try:
        check_schema(schema)
    except InvalidInput as error:
        return f"parameters: {error.message}"
    return ""


def _problem_of_agent(thing: Any) -> str:
    callables = [callable(getattr(thing, name, None)) for name in ("before", "after")]
    return "" if any(callables) else "it has neither before(call) nor after(call, answer)"


def _problem_of_router(thing: Any) -> str:
    return "" if callable(getattr(thing, "route", None)) else "it has no method route(request)"


_CHECKS: dict[Kind, Callable[[Any], str]] = {
    Kind.TASK_TYPE: _problem_of_handler,
    Kind.AGENT: _problem_of_agent,
    Kind.ROUTER: _problem_of_router,
}


class _GuardedRouter:
    def __init__(self, what: str, router: Router) -> None:
        self._what = f"The {what}"
        self._router = router

    def route(self, request: RouteRequest) -> RouteChoice | None:
        choice = within(ROUTE_SECONDS, lambda: self._router.route(request), what=self._what)
        if choice is not None and (problem := _problem_of_choice(choice, request)):
            raise ExtensionFailed(f"{self._what} {problem}.")
        return choice


def _problem_of_choice(choice: Any, request: RouteRequest) -> str:
    if not isinstance(choice, RouteChoice):
        return f"answered with {type(choice).__name__}, not RouteChoice or None"
    if not choice.models or isinstance(choice.models, str):
        return "chose no models"
    allowed = {model.name for model in request.models}
    strange = [str(name)[:80] for name in choice.models if name not in allowed]
    return f"chose {', '.join(strange)}, which the task may not use" if strange else ""

"""Task types: Ollama's three, and those that installed extensions bring, with what these take as parameters."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from orchestration import extensions
from orchestration.errors import ExtensionFailed, InvalidInput
from orchestration.extensions.registry import CUSTOM
from orchestration.policy.options import check_options
from orchestration.policy.schemas import problem_of_value
from orchestration.policy.states import TaskType

OPTIONS = "options"
"""Where Ollama's options stand among the parameters of a type that an extension brings."""


def is_built_in(task_type: str) -> bool:
    return task_type in set(TaskType)


def check_type(task_type: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The type and its parameters made right; ``custom`` stands for the type that ``handler`` among them names.

    Raises InvalidInput that names what is near.
    """
    if is_built_in(task_type):
        return task_type, check_options(parameters)
    field, name = "type", task_type
    if task_type == CUSTOM:
        field, name = "parameters", parameters.get("handler", "")
        parameters = {key: value for key, value in parameters.items() if key != "handler"}
    if name not in extensions.task_types():
        raise InvalidInput(_unknown(name, is_handler=field == "parameters"), field=field)
    return name, _checked(name, parameters)


def _unknown(name: Any, *, is_handler: bool) -> str:
    types = extensions.task_types() if is_handler else [*TaskType, *extensions.task_types()]
    shown = str(name)[:80]
    if is_handler and not name:
        start = 'Type custom needs the name of an installed task type as "handler" in its parameters.'
    else:
        start = f"There is no task type {shown!r}."
    near = get_close_matches(shown, types, n=1, cutoff=0.4)
    if near:
        return f"{start} Did you mean {near[0]}?"
    return f"{start} Types are {', '.join(types)}." if types else f"{start} No extension is installed that brings one."


def _checked(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What the extension says of them. One that cannot be loaded here fails its tasks, and says so there."""
    checked = dict(parameters)
    if OPTIONS in checked:
        if not isinstance(checked[OPTIONS], Mapping):
            raise InvalidInput("parameters.options maps option names to values.", field="parameters")
        checked[OPTIONS] = check_options(checked[OPTIONS])
    try:
        schema = getattr(extensions.handler(name), "parameters", None)
    except ExtensionFailed:
        return checked
    own = {key: value for key, value in checked.items() if key != OPTIONS}
    if schema is not None and (problem := problem_of_value(own, schema)):
        raise InvalidInput(f"parameters of {name}: {problem}", field="parameters")
    return checked


def options_among(task_type: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Ollama's options, wherever this type has them."""
    return parameters if is_built_in(task_type) else parameters.get(OPTIONS, {})

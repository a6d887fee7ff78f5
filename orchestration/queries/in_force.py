"""What holds, and who decided it: for a task as its node was or will be asked, and for whatever one could ask."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from typing_extensions import TypedDict

from orchestration.models import Agent, Attempt, ModelConfig, OllamaModel, Task
from orchestration.ollama.wire import format_keep_alive
from orchestration.payloads import InForce
from orchestration.policy.context import bucket
from orchestration.policy.effective import OTHERS, Found, Level, effective, unthinking
from orchestration.policy.errands import is_errand
from orchestration.policy.options import OPTIONS
from orchestration.policy.routing import full_name
from orchestration.policy.states import TaskType
from orchestration.queries.facts import in_force, of_model, span
from orchestration.queries.levels import Levels

LOADED_ALREADY = "loaded with more already"
ALL_IT_TAKES = "the most that the model takes"
_ORDER = {name: number for number, name in enumerate((*OPTIONS, *OTHERS))}


class LevelPayload(TypedDict):
    """What one level says, its preset's values among it. ``wins``: the names of what holds."""

    origin: str
    preset: str
    says: dict[str, Any]
    wins: list[str]


class EffectivePayload(TypedDict):
    """``levels``: the farthest first. ``model``: empty where nobody says which it would be."""

    model: str
    agent: str
    values: list[InForce]
    levels: list[LevelPayload]


def of_task(task: Task) -> list[InForce]:
    """As its latest attempt was sent, where anything was sent; else as one that started now would be."""
    if is_errand(task.type):
        return []
    last = task.attempts.order_by("-number").first()
    if last is not None and last.request and last.origins is not None:
        return _sorted(_as_sent(task, last))
    model = task.model_used or task.model_name or next(iter(task.lane.models), "")
    num_ctx = last.num_ctx if last is not None and last.ended_at is None else task.lane.num_ctx
    said = in_force(task, _of_model(model, Levels()), num_ctx)
    said["num_ctx"] = Found(num_ctx, _of_context(task, num_ctx, said["num_ctx"].origin))
    return _sorted(_shown(said, task.type))


def _as_sent(task: Task, attempt: Attempt) -> dict[str, Found]:
    """From the record of the request, and not from what was decided: this is what the node was told."""
    request, origins = attempt.request or {}, attempt.origins or {}
    values = dict(request.get("options") or {})
    values |= {name: request[name] for name in ("think", "format") if request.get(name) is not None}
    if "keep_alive" in request:
        values["keep_alive_seconds"] = request["keep_alive"]
    if task.timeout_seconds is not None:
        values["timeout_seconds"] = task.timeout_seconds
    said = {name: Found(value, origins.get(name, "")) for name, value in values.items()}
    if "num_ctx" in said:
        said["num_ctx"] = Found(values["num_ctx"], _of_context(task, values["num_ctx"], said["num_ctx"].origin))
    return said


def _of_context(task: Task, num_ctx: int, origin: str) -> str:
    if num_ctx == task.lane.num_ctx:
        return origin
    return LOADED_ALREADY if num_ctx > task.lane.num_ctx else ALL_IT_TAKES


def _shown(said: Mapping[str, Found], task_type: str) -> dict[str, Found]:
    """As the request has it."""
    shown = dict(said)
    if task_type == TaskType.EMBED:
        shown.pop("think", None)
    shown["keep_alive_seconds"] = Found(
        _keep_alive(said["keep_alive_seconds"].value), said["keep_alive_seconds"].origin
    )
    return shown


def _keep_alive(seconds: float) -> Any:
    return format_keep_alive(span(seconds))


def _sorted(said: Mapping[str, Found]) -> list[InForce]:
    names = sorted(said, key=lambda name: _ORDER.get(name, len(_ORDER)))
    return [InForce(name=name, value=said[name].value, origin=said[name].origin) for name in names]


def _of_model(name: str, levels: Levels) -> dict[str, Found]:
    return of_model(_config(name), name, levels, thinks=_thinks(name))


def _config(name: str) -> ModelConfig | None:
    return ModelConfig.objects.filter(model_name=name).first() if name else None


def _thinks(name: str) -> bool:
    known = OllamaModel.objects.filter(name=name).values_list("capabilities", flat=True).first()
    return "thinking" in (known or ())


def could_be(
    *, agent: Agent | None, model_name: str = "", preset: str = "", options: Mapping[str, Any] | None = None
) -> EffectivePayload:
    """What a task with these wishes would be done with. Without a model it is the one that agent or fleet name first.

    Raises InvalidInput where there is no such preset.
    """
    levels = Levels()
    model = full_name(model_name or _usual_model(agent, levels))
    above = [levels.usual, levels.settings, levels.fleet]
    if model:
        above.append(levels.model(_config(model), model))
    if agent is not None:
        above.append(levels.agent(agent))
    above.append(levels.task(options or {}, levels.wanted(preset)))
    if not (model and _thinks(model)):
        above = [unthinking(level) for level in above]
    said = effective(above)
    size = bucket(said["num_ctx"].value, default=settings.DROVER_DEFAULT_NUM_CTX)
    said["num_ctx"] = Found(size, said["num_ctx"].origin)
    return EffectivePayload(
        model=model,
        agent=agent.name if agent else "",
        values=_sorted(said),
        levels=[_level(level, said) for level in above],
    )


def _usual_model(agent: Agent | None, levels: Levels) -> str:
    if agent is not None and (agent.default_model or agent.models):
        return agent.default_model or str(agent.models[0])
    return levels.defaults.default_model


def _level(level: Level, found: Mapping[str, Found]) -> LevelPayload:
    said = level.said()
    return LevelPayload(
        origin=level.origin,
        preset=level.preset.name if level.preset else "",
        says={name: it.value for name, it in said.items()},
        wins=[name for name, it in said.items() if found[name].origin == it.origin],
    )

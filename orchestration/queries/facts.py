"""What an attempt needs to know of its model on its node. Many attempts of one commit ask once."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings

from orchestration.models import ModelConfig, NodeModel, Task
from orchestration.policy.context import bucket
from orchestration.policy.effective import KEEP_ALIVE, OTHERS, SETTINGS, TASK, Found, effective, unthinking
from orchestration.policy.options import OPTIONS, RUNNER_OPTIONS
from orchestration.queries.levels import Levels

FOREVER_SECONDS = 3650 * 86_400.0
"""Any longer wish means this: there are numbers of seconds that no timedelta holds."""


def span(seconds: float) -> timedelta:
    return timedelta(seconds=min(FOREVER_SECONDS, seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """``loaded_context`` in tokens; None when the model is not loaded there. ``digest``: of its weights, empty where
    that is not known. ``said``: what settings, fleet and model say, and which of them; kept from a model that is not
    known to think is the wish that it does."""

    loaded_context: int | None
    digest: str
    capabilities: tuple[str, ...]
    said: Mapping[str, Found]

    @property
    def options(self) -> dict[str, Any]:
        return {name: found.value for name, found in self.said.items() if name in OPTIONS and name != "num_ctx"}

    @property
    def runner_options(self) -> dict[str, Any]:
        return {name: value for name, value in self.options.items() if name in RUNNER_OPTIONS}

    @property
    def timeout_seconds(self) -> float | None:
        found = self.said.get("timeout_seconds")
        return found.value if found else None

    @property
    def keep_alive_seconds(self) -> float:
        return float(self.said[KEEP_ALIVE].value)


class _Known:
    """What one group of look-ups has found so far."""

    def __init__(self) -> None:
        self.levels = Levels()
        self.facts: dict[tuple[int, str], ModelFacts] = {}


_SHARED: ContextVar[_Known | None] = ContextVar("drover_model_facts", default=None)


@contextmanager
def shared() -> Iterator[None]:
    """Inside, each pair of node and model is looked up once: for whoever starts and ends many attempts at once."""
    token = _SHARED.set(_Known())
    try:
        yield
    finally:
        _SHARED.reset(token)


def model_facts(node_id: int, model_name: str) -> ModelFacts:
    known = _SHARED.get()
    if known is None:
        return _look_up(node_id, model_name, Levels())
    key = (node_id, model_name)
    if key not in known.facts:
        known.facts[key] = _look_up(node_id, model_name, known.levels)
    return known.facts[key]


def forget(node_id: int, model_name: str) -> None:
    """After a change of what is loaded there."""
    known = _SHARED.get()
    if known is not None:
        known.facts.pop((node_id, model_name), None)


def _look_up(node_id: int, model_name: str, levels: Levels) -> ModelFacts:
    config = ModelConfig.objects.filter(model_name=model_name).first()
    row = NodeModel.objects.filter(node_id=node_id, model__name=model_name).select_related("model").first()
    capabilities = tuple(row.model.capabilities) if row else ()
    said = of_model(config, model_name, levels, thinks="thinking" in capabilities)
    if row and row.pinned:
        said[KEEP_ALIVE] = Found(FOREVER_SECONDS, "pinned")
    return ModelFacts(
        loaded_context=row.loaded_context if row and row.loaded else None,
        digest=row.digest if row else "",
        capabilities=capabilities,
        said=said,
    )


def of_model(config: ModelConfig | None, name: str, levels: Levels, *, thinks: bool) -> dict[str, Found]:
    """What holds for a model before agents and tasks have their say."""
    above = [levels.usual, levels.settings, levels.fleet, levels.model(config, name)]
    return effective(above if thinks else [unthinking(level) for level in above])


def usual_contexts(names: Collection[str]) -> dict[str, int]:
    """With how much context each model is loaded where nobody asks for another."""
    if not names:
        return {}
    levels, configs = Levels(), {row.model_name: row for row in ModelConfig.objects.filter(model_name__in=names)}
    said = {name: of_model(configs.get(name), name, levels, thinks=False)["num_ctx"].value for name in names}
    return {name: bucket(wanted, default=settings.DROVER_DEFAULT_NUM_CTX) for name, wanted in said.items()}


def in_force(task: Task, of_model: Mapping[str, Found], num_ctx: int) -> dict[str, Found]:
    """What the node is asked with, and who decided it: what is frozen in the task, over what holds for its model now.

    A task's keep-alive lengthens how long the model stays and never shortens it.
    """
    said = {**of_model, **{name: Found(value, task.origins.get(name, TASK)) for name, value in _frozen(task)}}
    said["num_ctx"] = Found(num_ctx, task.origins.get("num_ctx", SETTINGS))
    said[KEEP_ALIVE] = max(of_model[KEEP_ALIVE], said[KEEP_ALIVE], key=lambda it: float(it.value))
    return said


def _frozen(task: Task) -> Iterator[tuple[str, Any]]:
    yield from task.options.items()
    for name in OTHERS:
        value = getattr(task, name)
        if value is not None:
            yield name, value

"""What an attempt needs to know of its model on its node. Many attempts of one commit ask once."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from orchestration.models import ModelConfig, NodeModel


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """``loaded_context`` in tokens; None when the model is not loaded there. ``digest``: of its weights, empty where
    that is not known. Empty where nobody decided anything."""

    loaded_context: int | None
    digest: str
    capabilities: tuple[str, ...]
    options: dict[str, Any]
    timeout_seconds: float | None
    keep_alive_seconds: float


_SHARED: ContextVar[dict[tuple[int, str], ModelFacts] | None] = ContextVar("drover_model_facts", default=None)


@contextmanager
def shared() -> Iterator[None]:
    """Inside, each pair of node and model is looked up once: for whoever starts and ends many attempts at once."""
    token = _SHARED.set({})
    try:
        yield
    finally:
        _SHARED.reset(token)


def model_facts(node_id: int, model_name: str) -> ModelFacts:
    known = _SHARED.get()
    if known is None:
        return _look_up(node_id, model_name)
    key = (node_id, model_name)
    if key not in known:
        known[key] = _look_up(node_id, model_name)
    return known[key]


def forget(node_id: int, model_name: str) -> None:
    """After a change of what is loaded there."""
    known = _SHARED.get()
    if known is not None:
        known.pop((node_id, model_name), None)


def _look_up(node_id: int, model_name: str) -> ModelFacts:
    config = ModelConfig.objects.filter(model_name=model_name).first() or ModelConfig()
    row = NodeModel.objects.filter(node_id=node_id, model__name=model_name).select_related("model").first()
    return ModelFacts(
        loaded_context=row.loaded_context if row and row.loaded else None,
        digest=row.digest if row else "",
        capabilities=tuple(row.model.capabilities) if row else (),
        options=config.options,
        timeout_seconds=config.timeout_seconds,
        keep_alive_seconds=config.keep_alive_seconds or 0,
    )

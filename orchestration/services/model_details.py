"""Writes down what a server told of one set of weights."""

from datetime import datetime
from math import isfinite
from typing import Any

from orchestration.models import ModelDetails
from orchestration.ollama.wire import ModelDetails as Shown
from orchestration.policy.storing import storable

LONGEST_TEXT = 200_000
LONGEST_LIST = 64
LONGEST_VALUE = 2_000
MOST_FACTS = 500


def record(*, digest: str, shown: Shown, at: datetime) -> ModelDetails:
    """Weights do not change under their digest, but a newer server may tell more of them."""
    fields = {
        "template": _text(shown.template),
        "system": _text(shown.system),
        "parameters": _text(shown.parameters),
        "license": _text(shown.license),
        "metadata": _metadata(shown.model_info),
        "fetched_at": at,
    }
    return ModelDetails.objects.update_or_create(digest=digest, defaults=fields)[0]


def _text(value: str) -> str:
    return storable(value)[:LONGEST_TEXT]


def _metadata(info: dict[str, Any]) -> dict[str, Any]:
    """Without vocabularies and other long lists, which no person reads and no reckoning needs."""
    short = {storable(name)[:200]: value for name, value in list(info.items())[:MOST_FACTS] if _is_short(value)}
    return {name: storable(value) if isinstance(value, str) else value for name, value in short.items()}


def _is_short(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= LONGEST_LIST and all(map(_is_number, value))
    return _is_number(value) or (isinstance(value, str) and len(value) <= LONGEST_VALUE)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value)

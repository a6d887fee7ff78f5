"""The retry policy in force for a task, read when an attempt has failed, so that a change applies at once.

What the task itself asked for comes first, then its agent, then the model's configuration, then the settings.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings

from orchestration.errors import InvalidInput
from orchestration.models import Agent, ModelConfig
from orchestration.policy.failures import CHOICES
from orchestration.policy.retries import RetryPolicy

RETRY_FIELDS = ("max_tries", "retry_delay_seconds", "retry_growth", "retry_on")
"""Of agents and model configurations."""
LONGEST_FIRST_DELAY = 86_400
MOST_GROWTH = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """What an agent or a model says about retries; None and empty where it says nothing."""

    max_tries: int | None = None
    delay: float | None = None
    growth: float | None = None
    on: list[str] = field(default_factory=list)


def policy_in_force(*, agent_id: int | None, model_name: str, own_max_tries: int | None) -> RetryPolicy:
    of_agent = Agent.objects.filter(pk=agent_id or 0).values_list(*RETRY_FIELDS).first()
    of_model = ModelConfig.objects.filter(model_name=model_name).values_list(*RETRY_FIELDS).first()
    return merged(Wish(*of_agent) if of_agent else Wish(), Wish(*of_model) if of_model else Wish(), own_max_tries)


def merged(agent: Wish, model: Wish, own_max_tries: int | None) -> RetryPolicy:
    delay = _first(agent.delay, model.delay)
    return RetryPolicy(
        max_tries=own_max_tries or agent.max_tries or model.max_tries or settings.DROVER_MAX_TRIES,
        first_delay=settings.DROVER_RETRY_DELAY if delay is None else timedelta(seconds=delay),
        growth=_first(agent.growth, model.growth) or settings.DROVER_RETRY_GROWTH,
        longest_delay=settings.DROVER_RETRY_LONGEST,
        on=frozenset(agent.on or model.on),
    )


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def check_retry_fields(row: Agent | ModelConfig) -> None:
    """Raises InvalidInput that names what can be chosen."""
    codes: Any = row.retry_on
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise InvalidInput("retry_on is a list of error codes.", field="retry_on", choices=list(CHOICES))
    unknown = [code for code in codes if code not in CHOICES]
    if unknown:
        raise InvalidInput(
            f"Another try cannot help with {', '.join(unknown)[:200]}; choose from {', '.join(CHOICES)}.",
            field="retry_on",
            choices=list(CHOICES),
        )
    row.retry_on = list(dict.fromkeys(codes))
    bounds = (("retry_delay_seconds", 0, LONGEST_FIRST_DELAY), ("retry_growth", 1, MOST_GROWTH))
    for name, least, most in bounds:
        value = getattr(row, name)
        if value is not None and not least <= value <= most:
            raise InvalidInput(f"{name} is from {least} to {most:,}.", field=name)

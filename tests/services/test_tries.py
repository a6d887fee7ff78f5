"""Whose word on retries counts, and which words are refused."""

from datetime import timedelta
from typing import Any

import pytest

from orchestration.errors import InvalidInput
from orchestration.models import Agent, ModelConfig
from orchestration.policy.retries import RetryPolicy
from orchestration.services.tries import check_retry_fields, policy_in_force

MODEL = "llama3.2:latest"


def _in_force(agent: Agent | None, own_max_tries: int | None = None) -> RetryPolicy:
    return policy_in_force(agent_id=agent.pk if agent else None, model_name=MODEL, own_max_tries=own_max_tries)


def test_where_nobody_says_anything_the_settings_hold(agent: Agent, settings: Any) -> None:
    settings.DROVER_MAX_TRIES, settings.DROVER_RETRY_GROWTH = 4, 1.5
    settings.DROVER_RETRY_DELAY, settings.DROVER_RETRY_LONGEST = timedelta(seconds=9), timedelta(seconds=99)
    expected = RetryPolicy(
        max_tries=4, first_delay=timedelta(seconds=9), growth=1.5, longest_delay=timedelta(seconds=99)
    )
    assert _in_force(agent) == _in_force(None) == expected


def test_the_model_is_heard_where_the_agent_is_silent(agent: Agent) -> None:
    ModelConfig.objects.create(
        model_name=MODEL, max_tries=2, retry_delay_seconds=0, retry_growth=4, retry_on=["timeout"]
    )
    policy = _in_force(agent)
    assert (policy.max_tries, policy.first_delay, policy.growth, policy.on) == (2, timedelta(0), 4, {"timeout"})
    Agent.objects.update(max_tries=6, retry_delay_seconds=3, retry_growth=1, retry_on=["refused"])
    policy = _in_force(agent)
    assert (policy.max_tries, policy.first_delay, policy.growth) == (6, timedelta(seconds=3), 1)
    assert policy.on == {"refused"}


def test_the_number_that_the_task_itself_asked_for_comes_first(agent: Agent) -> None:
    Agent.objects.update(max_tries=6)
    assert _in_force(agent, own_max_tries=1).max_tries == 1


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"retry_on": ["invalid_input"]}, "retry_on", "invalid_input; choose from unreachable, refused"),
        ({"retry_on": ["time_out"]}, "retry_on", "time_out"),
        ({"retry_on": "timeout"}, "retry_on", "list of error codes"),
        ({"retry_on": [1]}, "retry_on", "list of error codes"),
        ({"retry_delay_seconds": -1}, "retry_delay_seconds", "from 0 to 86,400"),
        ({"retry_delay_seconds": float("nan")}, "retry_delay_seconds", "from 0"),
        ({"retry_growth": 0.5}, "retry_growth", "from 1 to 100"),
        ({"retry_growth": 101}, "retry_growth", "from 1 to 100"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(fields: dict[str, Any], field: str, words: str) -> None:
    for kind in (Agent, ModelConfig):
        with pytest.raises(InvalidInput, match=words) as refused:
            check_retry_fields(kind(**fields))
        assert refused.value.detail["field"] == field


def test_a_code_counts_once_however_often_it_is_named() -> None:
    agent = Agent(retry_on=["timeout", "timeout", "refused"], retry_growth=1, retry_delay_seconds=0)
    check_retry_fields(agent)
    assert agent.retry_on == ["timeout", "refused"]

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.engine import forecast
from orchestration.engine.lessons import read_lessons
from orchestration.models import Run, Task
from orchestration.policy.states import TaskStatus

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


def test_the_models_of_blocked_steps_come_next(submit: Callable[..., Run]) -> None:
    submit("one", "two", sequential=True)
    assert [(it.models, it.num_ctx) for it in forecast.steps()] == [(("llama3.2:latest",), 4096)]


def _completed(submit: Callable[..., Run], *, days_ago: int, number: int) -> None:
    tasks = Task.objects.filter(run=submit(*(f"t{n}" for n in range(number))))
    ended = timezone.now() - timedelta(days=days_ago, minutes=10)
    tasks.update(status=TaskStatus.COMPLETED, ended_at=ended, model_used="llama3.2:latest")


def test_a_model_used_at_this_hour_on_three_days_is_usual(submit: Callable[..., Run]) -> None:
    for day in (1, 2):
        _completed(submit, days_ago=day, number=forecast.USUAL)
    assert list(forecast.usual(timezone.now())) == []
    _completed(submit, days_ago=5, number=forecast.USUAL)
    found = list(forecast.usual(timezone.now()))
    assert [it.models for it in found] == [("llama3.2:latest",)]
    assert found[0].reason == "usually asked for at this hour, 2 times a day"


def test_use_at_another_hour_makes_a_model_no_usual_one(submit: Callable[..., Run]) -> None:
    for day in (1, 2, 3):
        _completed(submit, days_ago=day, number=forecast.USUAL)
    Task.objects.update(ended_at=timezone.now() - timedelta(days=1, hours=3))
    assert list(forecast.usual(timezone.now())) == []


def test_the_past_is_asked_for_once_in_a_while_only(submit: Callable[..., Run]) -> None:
    now = timezone.now()
    first = read_lessons(now)
    for day in (1, 2, 3):
        _completed(submit, days_ago=day, number=forecast.USUAL)
    assert read_lessons(now + timedelta(seconds=1), first).usual == []
    assert len(read_lessons(now + forecast.REMEMBERED_FOR, first).usual) == 1


def test_the_setting_turns_it_off(submit: Callable[..., Run], settings) -> None:  # type: ignore[no-untyped-def]
    submit("one", "two", sequential=True)
    settings.DROVER_PRELOAD = False
    assert read_lessons(timezone.now()).upcoming == []

"""What the leader does beside deciding, in its own thread."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from orchestration.engine.housekeeping import Housekeeper
from orchestration.models import CleanUp, Output, RetentionRule, Run, Task
from orchestration.permissions import Actor
from orchestration.policy.states import TaskStatus
from orchestration.services.retention import ask_clean_up

pytestmark = pytest.mark.usefixtures("redis_server")


@pytest.fixture
def old(submit: Callable[..., Run]) -> Task:
    task = submit("Name a river.").tasks.get()
    ended = timezone.now() - timedelta(days=40)
    Task.objects.update(status=TaskStatus.COMPLETED, ended_at=ended, output="The Elbe.", model_used="llama3.2:latest")
    Output.objects.create(task=task, agent_name="writer", type="generate", ended_at=ended)
    return task


def leading() -> Housekeeper:
    leads = threading.Event()
    leads.set()
    return Housekeeper(threading.Event(), leads)


def test_a_clean_up_that_was_asked_for_is_done(old: Task, as_alice: Actor) -> None:
    RetentionRule.objects.create(text_days=30)
    ask_clean_up(actor=as_alice)
    leading().look()
    assert CleanUp.objects.get().ended_at is not None
    old.refresh_from_db()
    assert old.output == ""


def test_the_daily_one_is_done_when_its_hour_has_come(old: Task, settings: Any) -> None:
    settings.DROVER_CLEANUP_HOUR = timezone.now().hour
    RetentionRule.objects.create(text_days=30)
    RetentionRule.objects.update(updated_at=timezone.now() - timedelta(days=1))
    leading().look()
    assert CleanUp.objects.get().scheduled
    leading().look()
    assert CleanUp.objects.count() == 1
    old.refresh_from_db()
    assert old.text_removed_at is not None


def test_answers_are_written(old: Task, settings: Any, tmp_path: Path) -> None:
    settings.DROVER_SINK_FOLDER = tmp_path / "answers"
    leading().look()
    assert [path.read_text() for path in tmp_path.rglob("*.md")] == ["The Elbe."]


def test_nothing_goes_on_when_somebody_else_leads(old: Task, as_alice: Actor) -> None:
    RetentionRule.objects.create(text_days=30)
    ask_clean_up(actor=as_alice)
    Housekeeper(threading.Event(), threading.Event()).look()
    assert CleanUp.objects.get().ended_at is None
    old.refresh_from_db()
    assert old.output == "The Elbe."

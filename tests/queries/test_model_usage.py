"""What was done with a model, by window."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestration.models import UsageDay, User
from orchestration.queries import model_usage
from tests.queries.conftest import Make

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MODEL = "llama3.2:latest"
SPENT = {"prompt_tokens": 100, "output_tokens": 50, "load_seconds": 1.0, "prefill_seconds": 0.5, "decode_seconds": 2.0}


def ended(make_task: Make, hours: float, status: str = "completed", **fields: object) -> None:
    make_task(status, ended_at=NOW - timedelta(hours=hours), **{**SPENT, "first_token_seconds": hours, **fields})


def day(ago: int, user: User, agent: str = "writer", **fields: object) -> None:
    kept = {"model_name": MODEL, "node_name": "gpu-a", "type": "chat", "completed": 2, **SPENT}
    UsageDay.objects.create(day=NOW.date() - timedelta(days=ago), share=user.pk, agent_name=agent, **{**kept, **fields})


@pytest.fixture
def month(make_task: Make, bob: User, dave: User) -> None:
    ended(make_task, 1)
    ended(make_task, 23, "failed", output_tokens=None, decode_seconds=None)
    ended(make_task, 25, owner=dave, agent_name="poet")
    ended(make_task, 24 * 8)
    ended(make_task, 24 * 31)
    ended(make_task, 2, model_used="mistral:7b")
    ended(make_task, 3, type="pull")
    make_task("cancelled", ended_at=NOW, model_used=MODEL)
    make_task("running")
    day(0, bob, failed=1)
    day(6, dave, "poet")
    day(7, bob)
    day(30, bob)
    day(1, bob, type="pull")
    day(1, bob, model_name="mistral:7b")


def test_each_window_counts_what_ended_in_it(month: None) -> None:
    windows = model_usage.of_model("llama3.2", now=NOW)["windows"]
    assert {name: (each["tasks"], each["completed"], each["failed"]) for name, each in windows.items()} == {
        "24h": (2, 1, 1),
        "7d": (5, 4, 1),
        "30d": (7, 6, 1),
    }
    last_day, week = windows["24h"], windows["7d"]
    assert (last_day["prompt_tokens"], last_day["output_tokens"], last_day["seconds"]) == (200, 50, 5.0)
    assert (week["prompt_tokens"], week["output_tokens"], week["seconds"]) == (200, 100, 7.0)
    assert (week["tokens_per_second"], week["users"], week["agents"]) == (25.0, 2, 2)
    assert (week["first_token_p50"], week["first_token_p95"]) == (13.0, pytest.approx(23.8))


def test_who_uses_it_most_is_named(month: None) -> None:
    usage = model_usage.of_model(MODEL, now=NOW)
    assert usage["top_users"] == [{"name": "bob", "tasks": 5}, {"name": "dave", "tasks": 2}]
    assert usage["top_agents"] == [{"name": "writer", "tasks": 5}, {"name": "poet", "tasks": 2}]


def test_a_model_that_nobody_used_has_zeros_and_no_speed(db: None) -> None:
    use = model_usage.of_model("mistral:7b", now=NOW)["windows"]["30d"]
    assert (use["tasks"], use["seconds"], use["tokens_per_second"], use["first_token_p50"]) == (0, 0.0, None, None)


def test_all_models_that_were_used_are_listed(month: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(5):  # three windows, two models
        found = model_usage.by_model(now=NOW)
    assert {name: each["tasks"] for name, each in found["24h"].items()} == {
        MODEL: 2,
        "mistral:7b": 1,
    }
    assert model_usage.tasks_by_model(window="7d", now=NOW) == {MODEL: 5, "mistral:7b": 2}


def test_percentiles_are_of_the_latest_tasks_however_many_there_are(
    month: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_usage, "TIMED_AT_MOST", 7)
    assert model_usage.of_model(MODEL, now=NOW)["windows"]["7d"]["first_token_p50"] == 13.0

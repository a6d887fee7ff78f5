"""What was done with a model, by window."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestration.models import User
from orchestration.queries import model_usage
from tests.queries.conftest import Make

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MODEL = "llama3.2:latest"


def ended(make_task: Make, hours: float, status: str = "completed", **fields: object) -> None:
    numbers = {"prompt_tokens": 100, "output_tokens": 50, "load_seconds": 1.0, "prefill_seconds": 0.5}
    numbers |= {"decode_seconds": 2.0, "first_token_seconds": hours}
    make_task(status, ended_at=NOW - timedelta(hours=hours), **{**numbers, **fields})


@pytest.fixture
def month(make_task: Make, dave: User) -> None:
    ended(make_task, 1)
    ended(make_task, 23, "failed", output_tokens=None, decode_seconds=None)
    ended(make_task, 25, owner=dave, agent_name="poet")
    ended(make_task, 24 * 8)
    ended(make_task, 24 * 31)
    ended(make_task, 2, model_used="mistral:7b")
    ended(make_task, 3, type="pull")
    make_task("cancelled", ended_at=NOW, model_used=MODEL)
    make_task("running")


def test_each_window_counts_what_ended_in_it(month: None) -> None:
    windows = model_usage.of_model("llama3.2", now=NOW)["windows"]
    assert {name: (each["tasks"], each["completed"], each["failed"]) for name, each in windows.items()} == {
        "24h": (2, 1, 1),
        "7d": (3, 2, 1),
        "30d": (4, 3, 1),
    }
    week = windows["7d"]
    assert (week["prompt_tokens"], week["output_tokens"], week["seconds"]) == (300, 100, 8.5)
    assert (week["tokens_per_second"], week["users"], week["agents"]) == (25.0, 2, 2)
    assert (week["first_token_p50"], week["first_token_p95"]) == (13.0, pytest.approx(23.8))


def test_who_uses_it_most_is_named(month: None) -> None:
    usage = model_usage.of_model(MODEL, now=NOW)
    assert usage["top_users"] == [{"name": "bob", "tasks": 3}, {"name": "dave", "tasks": 1}]
    assert usage["top_agents"] == [{"name": "writer", "tasks": 3}, {"name": "poet", "tasks": 1}]


def test_a_model_that_nobody_used_has_zeros_and_no_speed(db: None) -> None:
    usage = model_usage.of_model("mistral:7b", now=NOW)["windows"]["30d"]
    assert (usage["tasks"], usage["seconds"], usage["tokens_per_second"], usage["first_token_p50"]) == (
        0,
        0.0,
        None,
        None,
    )


def test_all_models_that_were_used_are_listed(month: None) -> None:
    assert {name: each["tasks"] for name, each in model_usage.by_model(window="24h", now=NOW).items()} == {
        MODEL: 2,
        "mistral:7b": 1,
    }
    assert model_usage.tasks_by_model(window="7d", now=NOW) == {MODEL: 3, "mistral:7b": 1}

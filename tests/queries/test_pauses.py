"""What is paused, in words."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from orchestration import queries
from orchestration.models import Agent, Pause

AT = timezone.now().replace(hour=0, minute=2, second=9)


def _pause(kind: str, key: str, **fields: Any) -> Pause:
    return Pause.objects.create(kind=kind, key=key, paused_by_name="ana", **{"paused_at": AT, **fields})


def test_the_words_say_what_by_whom_and_since_when(agent: Agent) -> None:
    _pause("priority", "2")
    _pause("model", "llama3.2:latest", note="bad answers")
    _pause("agent", str(agent.pk))
    assert queries.pauses.words() == {
        ("agent", str(agent.pk)): "Agent writer paused by ana since 00:02 UTC",
        ("model", "llama3.2:latest"): "llama3.2:latest paused by ana since 00:02 UTC: bad answers",
        ("priority", "2"): "Low priority paused by ana since 00:02 UTC",
    }


def test_another_day_is_named(db: None) -> None:
    _pause("priority", "0", paused_at=datetime(2026, 1, 5, 14, 2, tzinfo=UTC))
    assert queries.paused()[0]["words"] == "High priority paused by ana since 5 Jan 14:02 UTC"


def test_a_long_note_is_cut_in_words_only(db: None) -> None:
    _pause("priority", "1", note="n" * 200)
    (row,) = queries.paused()
    assert (len(row["note"]), row["words"].endswith("n…")) == (200, True)


def test_an_agent_that_is_gone_has_its_number(db: None) -> None:
    _pause("agent", "77")
    assert queries.paused()[0]["words"].startswith("Agent no. 77 paused")


def test_only_models_count_as_paused_models(agent: Agent) -> None:
    _pause("model", "llama3.2:latest", paused_at=AT - timedelta(days=1))
    _pause("agent", str(agent.pk))
    assert queries.pauses.paused_models() == {"llama3.2:latest"}


def test_any_number_costs_two_queries(agent: Agent, django_assert_num_queries: Any) -> None:
    for number in range(5):
        _pause("model", f"m{number}:latest")
    with django_assert_num_queries(1):
        queries.paused()
    _pause("agent", str(agent.pk))
    with django_assert_num_queries(2):
        queries.paused()

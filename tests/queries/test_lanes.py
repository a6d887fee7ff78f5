"""What waits, lane by lane."""

from typing import Any

from django.utils import timezone

from orchestration.models import Agent, Lane
from orchestration.payloads import stamp
from orchestration.policy.fleet import COUNTED
from orchestration.queries import waiting_lanes


def _lane(key: str, code: str, counts: dict[str, int], **outlook: Any) -> Lane:
    return Lane.objects.create(
        key=key,
        models=["llama3.2:latest"],
        num_ctx=4096,
        type="generate",
        waiting_code=code,
        waiting_reason=f"because of {code}",
        outlook={"at": stamp(timezone.now()), "counts": counts, **outlook},
    )


def test_lanes_with_most_tasks_come_first_and_idle_ones_not_at_all(agent: Agent) -> None:
    few = _lane("few", "busy", {"1": 2})
    many = _lane("many", "loading", {"0": 1, "2": 4}, since=stamp(timezone.now()), expected_seconds=18.0)
    Lane.objects.create(key="idle", models=["m"], num_ctx=1)
    Lane.objects.filter(pk=many.pk).update(agent=agent)
    first, second = waiting_lanes()
    assert (first["lane_id"], first["agent"], first["count"]) == (many.pk, "writer", 5)
    assert first["counts"] == {"high": 1, "low": 4}
    assert (first["words"], first["expected_seconds"]) == ("because of loading", 18.0)
    assert (second["lane_id"], second["agent"], second["moves"]) == (few.pk, None, "")
    assert [lane["lane_id"] for lane in waiting_lanes(limit=1)] == [many.pk]


def test_counts_that_stop_somewhere_say_so(db: None) -> None:
    _lane("long", "busy", {"1": COUNTED})
    assert waiting_lanes()[0]["capped"]


def test_a_lane_that_moves_says_when_and_a_paused_one_does_not(db: None) -> None:
    _lane("a", "busy", {"1": 9}, next_seconds=1.0, per_second=2.0)
    _lane("b", "paused", {"1": 1}, next_seconds=1.0, per_second=2.0)
    assert [lane["moves"] for lane in waiting_lanes()] == ["in a few seconds", ""]

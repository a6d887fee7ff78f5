"""The stored reason why a lane waits: written when it changes, told to whoever watches."""

from collections.abc import Callable
from typing import Any

from orchestration import events
from orchestration.models import Lane, Run, Task
from orchestration.services import lanes


def _told() -> list[str]:
    return [str(fields["k"]) for _, fields in events.connection().xrange(events.EVENTS) if fields["k"] == "lanes"]


def test_a_reason_is_stored_and_told_once(submit: Callable[..., Run], django_capture_on_commit_callbacks: Any) -> None:
    submit("one", "two")
    lane = Lane.objects.get()
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            lanes.explain(reasons={lane.pk: "gpu-a is draining"}, redis_answers=True)
    lane.refresh_from_db()
    assert lane.waiting_reason == "gpu-a is draining"
    assert _told() == ["lanes"]


def test_a_lane_that_waits_no_more_has_no_reason(submit: Callable[..., Run]) -> None:
    submit("one")
    lane = Lane.objects.get()
    lanes.explain(reasons={lane.pk: "busy"}, redis_answers=True)
    Task.objects.update(status="completed")
    lanes.explain(reasons={}, redis_answers=True)
    lane.refresh_from_db()
    assert lane.waiting_reason == ""


def test_without_redis_that_is_the_reason(submit: Callable[..., Run]) -> None:
    submit("one")
    lanes.explain(reasons={}, redis_answers=False)
    assert Lane.objects.get().waiting_reason == lanes.REDIS_AWAY


def test_a_reason_longer_than_its_column_is_cut_and_holds_up_no_pass(submit: Callable[..., Run]) -> None:
    submit("one")
    lane = Lane.objects.get()
    lanes.explain(reasons={lane.pk: f"Not pulled on any node: {'a-long-model-name, ' * 30}"}, redis_answers=True)
    lane.refresh_from_db()
    assert len(lane.waiting_reason) == 300
    assert lane.waiting_reason.endswith("…")

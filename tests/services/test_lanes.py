"""The stored summary of a lane: written when it changes, told to whoever watches, gone when nothing waits."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration import events
from orchestration.models import Lane, Run
from orchestration.policy.decision import Waiting, Waits
from orchestration.policy.fleet import ClassQueue, LaneView
from orchestration.services import lanes

NOW = timezone.now()
BUSY = Waiting(code=Waits.BUSY, words="llama3.2:latest busy 4/4 on gpu-a", next_seconds=7.0, per_second=0.5)


@pytest.fixture
def lane(submit: Callable[..., Run]) -> Lane:
    submit("one", "two")
    return Lane.objects.get()


@pytest.fixture
def explain(lane: Lane, django_capture_on_commit_callbacks: Any) -> Callable[..., Lane]:
    """As one pass does it, so many seconds later."""

    def run(found: Waiting | None, *, later: float = 0, count: int = 2) -> Lane:
        queues = {1: ClassQueue(count=count, oldest=NOW)}
        view = LaneView(id=lane.pk, models=tuple(lane.models), num_ctx=lane.num_ctx, queues=queues)
        now = NOW + timedelta(seconds=later)
        with django_capture_on_commit_callbacks(execute=True):
            lanes.explain(waiting={lane.pk: found} if found else {}, lanes={lane.pk: view}, now=now)
        lane.refresh_from_db()
        return lane

    return run


def told() -> int:
    return sum(fields["k"] == "lanes" for _, fields in events.connection().xrange(events.EVENTS))


def test_a_reason_is_stored_with_its_numbers_and_told_once(explain: Callable[..., Lane]) -> None:
    explain(BUSY)
    lane = explain(BUSY)
    assert (lane.waiting_code, lane.waiting_reason) == ("busy", "llama3.2:latest busy 4/4 on gpu-a")
    numbers = {name: lane.outlook[name] for name in ("next_seconds", "per_second", "since", "expected_seconds")}
    assert numbers == {"next_seconds": 7, "per_second": 0.5, "since": None, "expected_seconds": None}
    assert lane.outlook["counts"] == {"1": 2}
    assert told() == 1


def test_numbers_alone_are_written_once_a_second_and_told_to_nobody(explain: Callable[..., Lane]) -> None:
    explain(BUSY)
    assert explain(BUSY, later=0.5, count=9).outlook["counts"] == {"1": 2}
    assert explain(BUSY, later=1, count=9).outlook["counts"] == {"1": 9}
    assert told() == 1


def test_other_words_are_written_at_once(explain: Callable[..., Lane]) -> None:
    explain(BUSY)
    other = Waiting(code=Waits.NO_WORKER, words="No worker is running")
    assert explain(other, later=0.1).waiting_code == "no_worker"
    assert told() == 2


def test_nothing_is_written_where_nothing_changed(explain: Callable[..., Lane], django_assert_num_queries: Any) -> None:
    lane = explain(BUSY)
    view = LaneView(id=lane.pk, models=(), num_ctx=1, queues={1: ClassQueue(count=2, oldest=NOW)})
    with django_assert_num_queries(3):  # one look, and the savepoint around it
        lanes.explain(waiting={lane.pk: BUSY}, lanes={lane.pk: view}, now=NOW + timedelta(seconds=9))


def test_a_lane_that_waits_no_more_has_no_reason(explain: Callable[..., Lane]) -> None:
    explain(BUSY)
    lane = explain(None)
    assert (lane.waiting_code, lane.waiting_reason, lane.outlook) == ("", "", {})
    assert told() == 2


def test_a_load_in_progress_is_told_with_its_beginning(explain: Callable[..., Lane]) -> None:
    loading = Waiting(code=Waits.LOADING, words="loading", since=NOW, expected_seconds=18)
    outlook = explain(loading).outlook
    assert outlook["since"].startswith(f"{NOW:%Y-%m-%dT%H:%M:%S}")
    assert outlook["expected_seconds"] == 18


def test_a_reason_longer_than_its_column_is_cut_and_holds_up_no_pass(explain: Callable[..., Lane]) -> None:
    words = f"Not pulled on any node: {'a-long-model-name, ' * 30}"
    lane = explain(Waiting(code=Waits.NOT_PULLED, words=words))
    assert len(lane.waiting_reason) == 300
    assert lane.waiting_reason.endswith("…")

"""What is learned from calls that have ended, by the product's rules."""

from collections import Counter

import pytest

from orchestration.management.lab.learning import Learned, call_of, variant
from orchestration.management.lab.line import moment
from orchestration.management.lab.work import LabTask
from orchestration.policy.fleet import HIGH_WINDOW, Run

SLOTS = 4


def ran(work=100.0, seconds=2.0, waited=0.0, loading=0.0, slot=0, **in_flight):
    """The task and its call: granted and sent at ten seconds."""
    task = LabTask(
        id=1, born=0, models=("a", "b"), output_tokens=work, prompt_work=0, user="alice", priority=1, workflow_at=0
    )
    task.node, task.model, task.sent = 3, "b", 10.0
    task.got_model = 10.0 + loading
    task.started = task.got_model + waited
    task.ended = task.started + seconds
    run = Run(attempt_id=1, variant=variant("b"), slot=slot, since=moment(10.0))
    return task, call_of(task, run, Counter(in_flight))


def learned_from(*calls):
    learned = Learned()
    for task, call in calls:
        learned.ran(task, call, SLOTS)
    return learned


def test_speed_is_that_of_a_stream_alone():
    assert learned_from(ran()).estimates.speed(3, "b") == pytest.approx(50)
    assert learned_from(ran(b=2, c=1)).estimates.speed(3, "b") == pytest.approx(50 * 1.5 * 1.8)


def test_the_last_of_a_batch_is_known_to_have_run_in_company():
    assert ran(slot=2)[1].slowdown == pytest.approx(1.5)


def test_prompts_take_time_but_write_nothing():
    task, _ = ran()
    task.output_tokens, task.prompt_work = 60.0, 40.0
    call = call_of(task, Run(attempt_id=1, variant=variant("b"), slot=0, since=moment(10.0)), Counter())
    assert (call.output_tokens, call.prompt_tokens) == (60, 600)
    assert call.decode_seconds == pytest.approx(1.2)
    assert call.work == pytest.approx(100)


def test_work_is_learned_by_what_was_asked_for_and_runs_by_where_they_ran():
    learned = learned_from(ran(work=80))
    assert learned.estimates.work(None, "a") == 80
    assert learned.estimates.run(3, "b") == 2


def test_a_wait_inside_the_server_takes_a_slot():
    assert learned_from(ran(waited=5.0)).slots(3, "b", SLOTS) == 3
    assert learned_from(ran()).slots(3, "b", SLOTS) == 4


def test_a_wait_for_a_load_takes_none():
    _, call = waited = ran(loading=12.0, waited=5.0)
    assert (call.load_seconds, call.inside_seconds) == (12, 5)
    assert learned_from(waited).slots(3, "b", SLOTS) == 4


def test_loads_are_learned():
    learned = Learned()
    learned.loaded(1, "a", 10)
    learned.loaded(1, "a", 5)
    assert learned.estimates.load(1, "a", 0) == 7.5


def test_high_tasks_count_for_a_while():
    learned, window = Learned(), HIGH_WINDOW.total_seconds()
    learned.started_high("a", 0)
    learned.started_high("a", 100)
    learned.started_high("b", 100)
    assert learned.high_rates(200) == {"a": 2 / window, "b": 1 / window}
    assert learned.high_rates(window) == {"a": 1 / window, "b": 1 / window}
    assert learned.high_rates(1000) == {}

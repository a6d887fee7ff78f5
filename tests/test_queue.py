"""The way out to the workers."""

import django_rq
import pytest
from rq.job import Job

from orchestration import queue
from orchestration.queue import AttemptJob


def job(attempt_id, name="normal"):
    return AttemptJob(attempt_id=attempt_id, token=f"token-{attempt_id}", queue=name, lease_seconds=15)


def waiting(name):
    return django_rq.get_queue(name).job_ids


def test_jobs_wait_in_the_queue_of_their_priority(redis_server):
    assert queue.run_attempts([job(1, "high"), job(2, "low"), job(3, "high")])
    assert (waiting("high"), waiting("normal"), waiting("low")) == (["attempt-1", "attempt-3"], [], ["attempt-2"])


def test_jobs_of_all_priorities_leave_in_one_pipeline(redis_server):
    def transactions():
        return redis_server.client.info("commandstats").get("cmdstat_exec", {}).get("calls", 0)

    before = transactions()
    queue.run_attempts([job(1, "high"), job(2, "low"), job(3, "normal")])
    assert transactions() - before == 1


def test_a_job_carries_ids_only_as_json_and_waits_no_longer_than_its_lease(redis_server):
    queue.run_attempts([job(1)])
    stored = django_rq.get_queue("normal").fetch_job("attempt-1")
    assert (stored.func_name, tuple(stored.args)) == (queue.RUN_ATTEMPT, (1, "token-1"))
    assert stored.timeout == -1
    assert 0 < redis_server.client.ttl(Job.key_for("attempt-1")) <= 15


def test_a_redis_that_refuses_is_told_to_the_scheduler(redis_server, caplog):
    redis_server.stop()
    assert queue.answers() is False
    assert queue.run_attempts([job(1)]) is False
    assert "Redis is away" in caplog.text


def test_a_redis_that_is_there_answers(redis_server):
    assert queue.answers() is True


@pytest.mark.parametrize("is_up", [True, False])
def test_to_stop_an_attempt_that_no_worker_has_is_no_error(redis_server, is_up):
    if not is_up:
        redis_server.stop()
    queue.stop_attempt(4711)


def test_a_job_that_waits_and_is_not_with_a_worker_cannot_be_stopped(redis_server):
    queue.run_attempts([job(1)])
    queue.stop_attempt(1)
    assert waiting("normal") == ["attempt-1"]

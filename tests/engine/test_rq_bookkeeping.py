"""What RQ's own tools see of the worker and its jobs."""

import time

from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.worker import BaseWorker

from orchestration.engine.handles import Handle, Outcome
from orchestration.engine.rq_bookkeeping import EXECUTION_SECONDS
from orchestration.queue import FAILURE_SECONDS, RESULT_SECONDS, RUN_ATTEMPT


def test_opened_a_job_is_started_here_and_will_not_stay_for_ever(idle_worker, books, handle, rq_connection):
    books.open([handle])
    job = Job.fetch("attempt-1", connection=rq_connection, serializer=JSONSerializer)
    assert (job.get_status(), job.worker_name) == (JobStatus.STARTED, "w-1")
    assert "attempt-1" in job.started_job_registry
    assert 3600 < rq_connection.ttl(job.key) <= FAILURE_SECONDS
    assert idle_worker.get_current_job_id() == "attempt-1"
    assert idle_worker.get_state() == "busy"


def test_what_lasts_until_a_heartbeat_is_an_execution_that_rqs_pages_show(books, handle, rq_connection):
    books.open([handle])
    assert handle.job.get_executions() == []
    books.beat([handle])
    assert handle.job.get_executions()[0].worker_name == "w-1"
    assert 0 < rq_connection.ttl(handle.execution.key) <= EXECUTION_SECONDS
    books.close([(handle, Outcome())], still_running=None)
    assert not rq_connection.exists(handle.execution.key, handle.job.execution_registry.key)


def test_many_are_opened_and_closed_with_few_commands(idle_worker, books, normal, rq_connection):
    def commands():
        return rq_connection.info("stats")["total_commands_processed"]

    for number in range(20):
        normal.enqueue(RUN_ATTEMPT, number, "token", job_id=f"attempt-{number}", ttl=15, job_timeout=-1)
    jobs = books.fetch([normal.pop_job_id() for _ in range(20)])
    handles = [Handle(job) for job in jobs]
    before = commands()
    books.open(handles)
    assert rq_connection.zcard("rq:wip:normal") == 20
    books.close([(handle, Outcome()) for handle in handles], still_running=None)
    assert commands() - before < 20 * 5
    assert (rq_connection.zcard("rq:wip:normal"), rq_connection.zcard("rq:finished:normal")) == (0, 20)
    idle_worker.refresh()
    assert idle_worker.successful_job_count == 20


def test_opening_nothing_leaves_what_runs_as_it_is(idle_worker, books, handle):
    books.open([handle])
    books.open([])
    assert idle_worker.get_current_job_id() == "attempt-1"


def test_closed_a_job_is_finished_and_leaves_soon(idle_worker, books, handle, rq_connection):
    books.open([handle])
    books.close([(handle, Outcome())], still_running=None)
    job = Job.fetch("attempt-1", connection=rq_connection, serializer=JSONSerializer)
    assert job.get_status() == JobStatus.FINISHED
    assert "attempt-1" in job.finished_job_registry
    assert rq_connection.zcard("rq:wip:normal") == 0
    assert not rq_connection.exists(handle.execution.key)
    assert 0 < rq_connection.ttl(job.key) <= RESULT_SECONDS
    idle_worker.refresh()
    assert (idle_worker.successful_job_count, idle_worker.get_state(), idle_worker.get_current_job_id()) == (
        1,
        "idle",
        None,
    )


def test_a_stopped_attempt_says_so(books, handle, rq_connection):
    books.open([handle])
    books.close([(handle, Outcome(stopped=True))], still_running="attempt-2")
    job = Job.fetch("attempt-1", connection=rq_connection, serializer=JSONSerializer)
    assert job.get_status() == JobStatus.STOPPED
    assert 0 < rq_connection.ttl(job.key) <= RESULT_SECONDS


def test_a_fault_of_ours_is_kept_among_the_failed(idle_worker, books, handle, rq_connection):
    books.open([handle])
    books.close([(handle, Outcome(error="Traceback: oops"))], still_running=None)
    job = Job.fetch("attempt-1", connection=rq_connection, serializer=JSONSerializer)
    assert job.get_status() == JobStatus.FAILED
    assert job.latest_result().exc_string == "Traceback: oops"
    assert "attempt-1" in job.failed_job_registry


def test_an_ordinary_job_gets_its_dependents_started(books, normal):
    first = normal.enqueue("tests.engine.sample_jobs.add", 1, 2)
    second = normal.enqueue("tests.engine.sample_jobs.add", 3, 4, depends_on=first)
    (job,) = books.fetch([normal.pop_job_id()])
    handle = Handle(job)
    books.open([handle])
    books.close([(handle, Outcome(value=3))], still_running=None)
    assert first.return_value() == 3
    assert second.get_status() == JobStatus.QUEUED


def test_jobs_that_cannot_be_read_are_left_out(books, handle, rq_connection):
    rq_connection.hset("rq:job:broken", mapping={"data": b"\x80pickle", "status": "queued"})
    rq_connection.hset("rq:job:odd", mapping={"data": b'["one", null, [], {}]', "created_at": "yesterday"})
    rq_connection.set("rq:job:text", "x")
    assert books.fetch(["broken", "odd", "text", "gone"]) == []
    assert [job.id for job in books.fetch(["broken", "attempt-1"])] == ["attempt-1"]


def test_one_heartbeat_says_everything_again(idle_worker, books, handle, rq_connection):
    books.open([handle])
    rq_connection.flushall()
    books.beat([handle])
    (seen,) = BaseWorker.all(rq_connection)
    assert (seen.name, seen.hostname, seen.queue_names()) == ("w-1", "here", ["high", "normal", "low"])
    assert 0 < rq_connection.ttl(idle_worker.key) <= idle_worker.worker_ttl
    assert handle.job.started_job_registry.get_job_ids(cleanup=False) == ["attempt-1"]
    assert Execution.fetch(handle.execution.id, "attempt-1", rq_connection).worker_name == "w-1"


def test_a_heartbeat_moves_the_end_of_the_execution(books, handle, rq_connection):
    books.open([handle])
    rq_connection.zadd("rq:wip:normal", {handle.execution.composite_key: time.time() + 1})
    books.beat([handle])
    assert rq_connection.zscore("rq:wip:normal", handle.execution.composite_key) > time.time() + EXECUTION_SECONDS - 5


def test_maintenance_clears_away_what_a_dead_worker_left(idle_worker, books, handle, rq_connection):
    books.open([handle])
    rq_connection.zadd("rq:wip:normal", {handle.execution.composite_key: 1})
    books.maintain_if_due()
    assert rq_connection.zcard("rq:wip:normal") == 0
    assert handle.job.get_status() == JobStatus.FAILED
    rq_connection.zadd("rq:wip:normal", {"attempt-9:x": 1})
    books.maintain_if_due()
    assert rq_connection.zcard("rq:wip:normal") == 1, "it is not due again yet"


def test_a_dead_worker_is_signed_off(idle_worker, books, rq_connection):
    books.beat([])
    books.register_death()
    assert BaseWorker.all(rq_connection) == []
    assert 0 < rq_connection.ttl(idle_worker.key) <= 60

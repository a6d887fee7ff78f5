"""RQ's private surface, one contract per name that is touched: what fails here is what a new RQ has changed."""

import inspect
import time

import pytest
import redis
from django.conf import settings
from rq import Queue, worker_registration
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job, JobStatus
from rq.registry import StartedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.suspension import WORKERS_SUSPENDED, is_suspended, resume, suspend
from rq.utils import now
from rq.worker import BaseWorker

from orchestration.engine.handles import Handle, Outcome
from orchestration.engine.rq_bookkeeping import EXECUTION_SECONDS, Books
from orchestration.engine.worker import StreamWorker
from orchestration.queue import FAILURE_SECONDS, RESULT_SECONDS, RUN_ATTEMPT
from tests.engine.conftest import wait_until


@pytest.fixture
def connection(redis_server):
    connection = redis.Redis.from_url(settings.REDIS_URL)
    yield connection
    connection.close()


@pytest.fixture
def worker(connection):
    worker = StreamWorker(["high", "normal", "low"], "w-1", connection=connection, prepare_for_work=False, capacity=3)
    worker.hostname, worker.pid = "here", 1
    worker.birth_date = worker.last_heartbeat = now()
    return worker


@pytest.fixture
def books(worker):
    return Books(worker)


@pytest.fixture
def normal(connection):
    return Queue("normal", connection=connection, serializer=JSONSerializer)


@pytest.fixture
def handle(normal, books):
    """A claimed attempt."""
    normal.enqueue(RUN_ATTEMPT, 1, "token", job_id="attempt-1", ttl=15, job_timeout=-1)
    (job,) = books.fetch([normal.pop_job_id()])
    return Handle(job)


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (Job, "_handle_success", ["result_ttl", "pipeline", "worker_name", "execution_id"]),
        (Job, "_handle_failure", ["exc_string", "pipeline", "worker_name", "execution_id"]),
        (Job, "restore", ["raw_data"]),
        (Job, "prepare_for_execution", ["worker_name", "pipeline"]),
        (Job, "cleanup", ["ttl", "pipeline", "remove_from_queue"]),
        (Job, "set_status", ["status", "pipeline"]),
        (Execution, "create", ["job", "ttl", "pipeline", "worker_name"]),
        (Execution, "save", ["ttl", "pipeline"]),
        (Execution, "delete", ["job", "pipeline"]),
        (ExecutionRegistry, "add", ["execution", "ttl", "pipeline"]),
        (StartedJobRegistry, "add_execution", ["execution", "pipeline", "ttl"]),
        (BaseWorker, "set_current_job_id", ["job_id", "pipeline"]),
        (BaseWorker, "set_state", ["state", "pipeline"]),
        (BaseWorker, "heartbeat", ["timeout", "pipeline"]),
        (BaseWorker, "increment_successful_job_count", ["pipeline"]),
        (BaseWorker, "increment_failed_job_count", ["pipeline"]),
        (BaseWorker, "increment_total_working_time", ["job_execution_time", "pipeline"]),
        (BaseWorker, "handle_job_success", ["job", "queue", "started_job_registry"]),
        (BaseWorker, "handle_job_failure", ["job", "queue", "exc_string"]),
        (BaseWorker, "handle_payload", ["message"]),
        (BaseWorker, "request_stop", ["signum", "frame"]),
        (BaseWorker, "_install_signal_handlers", []),
        (BaseWorker, "_pubsub_exception_handler", ["exc", "pubsub", "pubsub_thread"]),
        (BaseWorker, "subscribe", []),
        (BaseWorker, "unsubscribe", []),
        (BaseWorker, "register_death", []),
        (BaseWorker, "run_maintenance_tasks", []),
        (BaseWorker, "serialize", []),
        (worker_registration, "register", ["worker", "pipeline"]),
    ],
)
def test_the_name_is_there_and_takes_what_we_give(owner, name, parameters):
    assert set(parameters) <= set(inspect.signature(getattr(owner, name)).parameters)


@pytest.mark.parametrize(
    "name",
    ["_stop_requested", "_shutdown_requested_date", "_stopped_job_id", "execution", "last_cleaned_at", "pubsub_thread"],
)
def test_the_worker_has_the_attribute(worker, name):
    assert hasattr(worker, name)


def test_a_signal_only_sets_a_flag(worker):
    worker.request_stop(15, None)
    assert worker._stop_requested
    assert not worker.hurried


def test_the_pubsub_thread_is_given_our_exception_handler(worker, books):
    books.subscribe()
    worker._pubsub_exception_handler(ValueError("nonsense"), worker.pubsub, worker.pubsub_thread)
    assert worker.pubsub_thread.exception_handler == worker._pubsub_exception_handler
    books.unsubscribe()
    assert not worker.pubsub_thread.is_alive()


def test_opened_a_job_is_started_here_and_will_not_stay_for_ever(worker, books, handle, connection):
    books.open([handle])
    job = Job.fetch("attempt-1", connection=connection, serializer=JSONSerializer)
    assert (job.get_status(), job.worker_name) == (JobStatus.STARTED, "w-1")
    assert "attempt-1" in job.started_job_registry
    assert 0 < connection.ttl(handle.execution.key) <= EXECUTION_SECONDS
    assert 3600 < connection.ttl(job.key) <= FAILURE_SECONDS
    assert worker.get_current_job_id() == "attempt-1"
    assert worker.get_state() == "busy"
    assert job.get_executions()[0].worker_name == "w-1"


def test_closed_a_job_is_finished_and_leaves_soon(worker, books, handle, connection):
    books.open([handle])
    books.close([(handle, Outcome())], still_running=None)
    job = Job.fetch("attempt-1", connection=connection, serializer=JSONSerializer)
    assert job.get_status() == JobStatus.FINISHED
    assert job.latest_result().type == Result.Type.SUCCESSFUL
    assert "attempt-1" in job.finished_job_registry
    assert connection.zcard("rq:wip:normal") == 0
    assert not connection.exists(handle.execution.key)
    assert 0 < connection.ttl(job.key) <= RESULT_SECONDS
    worker.refresh()
    assert (worker.successful_job_count, worker.get_state(), worker.get_current_job_id()) == (1, "idle", None)


def test_a_stopped_attempt_says_so(books, handle, connection):
    books.open([handle])
    books.close([(handle, Outcome(stopped=True))], still_running="attempt-2")
    job = Job.fetch("attempt-1", connection=connection, serializer=JSONSerializer)
    assert job.get_status() == JobStatus.STOPPED
    assert 0 < connection.ttl(job.key) <= RESULT_SECONDS


def test_a_fault_of_ours_is_kept_among_the_failed(worker, books, handle, connection):
    books.open([handle])
    books.close([(handle, Outcome(error="Traceback: oops"))], still_running=None)
    job = Job.fetch("attempt-1", connection=connection, serializer=JSONSerializer)
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


def test_jobs_that_cannot_be_read_are_left_out(books, handle, connection):
    connection.hset("rq:job:broken", mapping={"data": b"\x80pickle", "status": "queued"})
    connection.hset("rq:job:odd", mapping={"data": b'["one", null, [], {}]', "created_at": "yesterday"})
    connection.set("rq:job:text", "x")
    assert books.fetch(["broken", "odd", "text", "gone"]) == []
    assert [job.id for job in books.fetch(["broken", "attempt-1"])] == ["attempt-1"]


def test_one_heartbeat_says_everything_again(worker, books, handle, connection):
    books.open([handle])
    connection.flushall()
    books.beat([handle])
    (seen,) = BaseWorker.all(connection)
    assert (seen.name, seen.hostname, seen.queue_names()) == ("w-1", "here", ["high", "normal", "low"])
    assert 0 < connection.ttl(worker.key) <= worker.worker_ttl
    assert handle.job.started_job_registry.get_job_ids(cleanup=False) == ["attempt-1"]
    assert Execution.fetch(handle.execution.id, "attempt-1", connection).worker_name == "w-1"


def test_a_heartbeat_moves_the_end_of_the_execution(books, handle, connection):
    books.open([handle])
    connection.zadd("rq:wip:normal", {handle.execution.composite_key: time.time() + 1})
    books.beat([handle])
    assert connection.zscore("rq:wip:normal", handle.execution.composite_key) > time.time() + EXECUTION_SECONDS - 5


def test_maintenance_clears_away_what_a_dead_worker_left(worker, books, handle, connection):
    books.open([handle])
    connection.zadd("rq:wip:normal", {handle.execution.composite_key: 1})
    books.maintain_if_due()
    assert connection.zcard("rq:wip:normal") == 0
    assert handle.job.get_status() == JobStatus.FAILED
    connection.zadd("rq:wip:normal", {"attempt-9:x": 1})
    books.maintain_if_due()
    assert connection.zcard("rq:wip:normal") == 1, "it is not due again yet"


def test_a_dead_worker_is_signed_off(worker, books, connection):
    books.beat([])
    books.register_death()
    assert BaseWorker.all(connection) == []
    assert 0 < connection.ttl(worker.key) <= 60


def test_suspension_is_the_key_we_look_at(connection):
    suspend(connection)
    assert connection.exists(WORKERS_SUSPENDED)
    assert is_suspended(connection)
    resume(connection)
    assert not connection.exists(WORKERS_SUSPENDED)


def test_a_job_knows_its_function_without_importing_it(handle):
    assert handle.job.func_name == RUN_ATTEMPT
    assert handle.is_attempt
    assert list(handle.job.args) == [1, "token"]


def test_work_takes_what_rqs_own_commands_give():
    theirs, ours = (inspect.signature(owner.work).parameters for owner in (BaseWorker, StreamWorker))
    assert list(ours) == list(theirs)


def test_django_rqs_command_can_start_it(redis_server, transactional_db):
    from django_rq.workers import get_worker

    worker = get_worker("normal", worker_class="orchestration.engine.worker.StreamWorker")
    assert isinstance(worker, StreamWorker)
    worker.queues[0].enqueue("tests.engine.sample_jobs.add", 2, 2, job_id="sum")
    assert worker.work(burst=True)
    job = Job.fetch("sum", connection=worker.queues[0].connection, serializer=JSONSerializer)
    wait_until(lambda: job.get_status() == JobStatus.FINISHED)

"""RQ's private surface, one contract per name that is touched: what fails here is what a new RQ has changed."""

import inspect

import pytest
from rq import worker_registration
from rq.executions import Execution, ExecutionRegistry
from rq.job import Job, JobStatus
from rq.registry import FinishedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from rq.suspension import WORKERS_SUSPENDED, is_suspended, resume, suspend
from rq.worker import BaseWorker

from orchestration.engine.worker import StreamWorker
from orchestration.queue import RUN_ATTEMPT
from tests.engine.conftest import wait_until


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (Job, "_handle_failure", ["exc_string", "pipeline", "worker_name", "execution_id"]),
        (Job, "restore", ["raw_data"]),
        (Job, "prepare_for_execution", ["worker_name", "pipeline"]),
        (Job, "set_status", ["status", "pipeline"]),
        (Execution, "create", ["job", "ttl", "pipeline", "worker_name"]),
        (Execution, "save", ["ttl", "pipeline"]),
        (Execution, "__init__", ["id", "job_id", "connection", "worker_name"]),
        (ExecutionRegistry, "add", ["execution", "ttl", "pipeline"]),
        (BaseWorker, "set_current_job_id", ["job_id", "pipeline"]),
        (BaseWorker, "set_state", ["state", "pipeline"]),
        (BaseWorker, "heartbeat", ["timeout", "pipeline"]),
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


def test_the_registries_are_sorted_sets_with_these_names(normal, handle, rq_connection):
    started, finished = StartedJobRegistry(queue=normal), FinishedJobRegistry(queue=normal)
    assert started.key == StartedJobRegistry.key_template.format("normal")
    assert finished.key == FinishedJobRegistry.key_template.format("normal")
    with rq_connection.pipeline() as pipe:
        execution = Execution.create(handle.job, 20, pipe, worker_name="w-1")
        pipe.execute()
    assert rq_connection.zrange(started.key, 0, -1) == [execution.composite_key.encode()]
    finished.add(handle.job, 60)
    assert rq_connection.zrange(finished.key, 0, -1) == [b"attempt-1"]


def test_the_counter_of_good_ends_has_this_name(idle_worker, rq_connection):
    idle_worker.increment_successful_job_count()
    assert rq_connection.hget(idle_worker.key, "successful_job_count") == b"1"


@pytest.mark.parametrize(
    "name",
    ["_stop_requested", "_shutdown_requested_date", "_stopped_job_id", "execution", "last_cleaned_at", "pubsub_thread"],
)
def test_the_worker_has_the_attribute(idle_worker, name):
    assert hasattr(idle_worker, name)


def test_a_signal_only_sets_a_flag(idle_worker):
    idle_worker.request_stop(15, None)
    assert idle_worker._stop_requested
    assert not idle_worker.hurried


def test_the_pubsub_thread_is_given_our_exception_handler(idle_worker, books):
    books.subscribe()
    idle_worker._pubsub_exception_handler(ValueError("nonsense"), idle_worker.pubsub, idle_worker.pubsub_thread)
    assert idle_worker.pubsub_thread.exception_handler == idle_worker._pubsub_exception_handler
    books.unsubscribe()
    assert not idle_worker.pubsub_thread.is_alive()


def test_suspension_is_the_key_we_look_at(rq_connection):
    suspend(rq_connection)
    assert rq_connection.exists(WORKERS_SUSPENDED)
    assert is_suspended(rq_connection)
    resume(rq_connection)
    assert not rq_connection.exists(WORKERS_SUSPENDED)


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

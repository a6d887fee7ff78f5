"""RQ's records of what runs where, written for many jobs in one pipeline. All use of RQ's private surface is here.

None of it decides anything: it is what ``rq info`` and the pages of django-rq show, and what a stop command needs to
find the worker.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from redis.client import Pipeline
from rq import worker_registration
from rq.exceptions import DeserializationError, NoSuchJobError
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import FinishedJobRegistry, StartedJobRegistry
from rq.utils import current_timestamp, now, utcformat
from rq.worker import BaseWorker, WorkerStatus

from orchestration.engine.handles import Handle, Outcome
from orchestration.queue import FAILURE_SECONDS, RESULT_SECONDS

log = logging.getLogger(__name__)

EXECUTION_SECONDS = 20
"""So long an execution outlives its last heartbeat."""

_UNREADABLE = (NoSuchJobError, DeserializationError, ValueError, TypeError, KeyError, AttributeError)

Ended = tuple[Handle, Outcome]


class Books:
    def __init__(self, worker: BaseWorker) -> None:
        self._worker = worker
        self._connection = worker.connection

    def fetch(self, job_ids: Sequence[str]) -> list[Job]:
        """The jobs that are still there and can be read; the others are left to their leases."""
        with self._connection.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hgetall(Job.key_for(job_id))
            found = pipe.execute(raise_on_error=False)
        jobs = (self._read(job_id, fields) for job_id, fields in zip(job_ids, found, strict=True) if fields)
        return [job for job in jobs if job is not None]

    def _read(self, job_id: str, fields: object) -> Job | None:
        job = Job(job_id, connection=self._connection, serializer=self._worker.serializer)
        try:
            job.restore(fields)
            if not isinstance(job.func_name, str):
                raise TypeError("it names no function")
        except _UNREADABLE as error:
            log.error("job %s cannot be read and is dropped: %s", job_id, error)
            return None
        return job

    def open(self, handles: Sequence[Handle]) -> None:
        """From here on a stop command finds this worker. What else RQ keeps of a running job is written for attempts
        that last until the next heartbeat: most do not."""
        with self._connection.pipeline(transaction=False) as pipe:
            for handle in handles:
                job = handle.job
                if handle.is_attempt:
                    handle.execution = Execution(uuid4().hex, job.id, self._connection, self._worker.name)
                else:
                    handle.execution = Execution.create(job, EXECUTION_SECONDS, pipe, worker_name=self._worker.name)
                job.prepare_for_execution(self._worker.name, pipeline=pipe)
                pipe.expire(job.key, FAILURE_SECONDS)
            self._enter(handles, pipe)
            if handles:
                self._worker.set_current_job_id(handles[-1].job.id, pipeline=pipe)
            self._worker.set_state(WorkerStatus.BUSY, pipeline=pipe)
            pipe.execute()

    def close(self, ended: Sequence[Ended], still_running: str | None) -> None:
        attempts = [(handle, outcome) for handle, outcome in ended if handle.is_attempt]
        with self._connection.pipeline(transaction=False) as pipe:
            self._close_attempts(pipe, [each for each in attempts if not each[1].error])
            for handle, outcome in attempts:
                if outcome.error:
                    self._close_failed(pipe, handle, outcome.error)
            self._worker.set_current_job_id(still_running, pipeline=pipe)
            self._worker.set_state(WorkerStatus.BUSY if still_running else WorkerStatus.IDLE, pipeline=pipe)
            pipe.execute()
        for handle, outcome in ended:
            if not handle.is_attempt:
                self._close_ordinary(handle, outcome)

    def _close_attempts(self, pipe: Pipeline, ended: Sequence[Ended]) -> None:
        """What came of an attempt is in the database: for RQ a job that failed or was stopped well has done its work.
        It gets its status, and everything that can be said of many in one command is."""
        if not ended:
            return
        at = now()
        for handle, outcome in ended:
            job = handle.job
            job.ended_at = at
            status = JobStatus.STOPPED if outcome.stopped else JobStatus.FINISHED
            pipe.hset(job.key, mapping={"status": status, "ended_at": utcformat(at)})
            pipe.expire(job.key, RESULT_SECONDS)
        handles = [handle for handle, _ in ended]
        for queue, some in _by_queue(handles):
            until = current_timestamp() + RESULT_SECONDS
            pipe.zadd(FinishedJobRegistry.key_template.format(queue), {handle.job.id: until for handle in some})
        self._leave(handles, pipe)
        worked = sum((at - (handle.job.started_at or at) for handle in handles), timedelta())
        pipe.hincrby(self._worker.key, "successful_job_count", len(handles))
        self._worker.increment_total_working_time(worked, pipe)

    def _close_failed(self, pipe: Pipeline, handle: Handle, error: str) -> None:
        """A fault of ours is kept as failed, with everything RQ knows of it."""
        job, execution = handle.job, handle.execution
        job.ended_at = now()
        times: dict[str, Any] = {
            "worker_name": self._worker.name,
            "execution_id": execution.id if execution else None,
            "execution_started_at": execution.created_at if execution else None,
            "execution_ended_at": job.ended_at,
        }
        job.set_status(JobStatus.FAILED, pipeline=pipe)
        job._handle_failure(error, pipeline=pipe, **times)
        self._leave([handle], pipe)
        self._worker.increment_failed_job_count(pipeline=pipe)
        self._worker.increment_total_working_time(job.ended_at - (job.started_at or job.ended_at), pipe)

    def _close_ordinary(self, handle: Handle, outcome: Outcome) -> None:
        """A job that is none of ours gets all that RQ does for it: results, retries, dependents."""
        worker, job = self._worker, handle.job
        queue = worker.queue_class(job.origin, connection=self._connection, serializer=worker.serializer)
        job.ended_at = now()
        job.started_at = job.started_at or job.ended_at
        worker.execution = handle.execution
        if outcome.error or outcome.stopped:
            worker._stopped_job_id = job.id if outcome.stopped else None
            worker.handle_job_failure(job, queue, exc_string=outcome.error or "stopped")
        else:
            job._result = outcome.value
            worker.handle_job_success(job, queue, job.started_job_registry)

    def beat(self, running: Iterable[Handle]) -> None:
        """Everything that says this worker and its jobs live, written whole: Redis may have been emptied."""
        worker = self._worker
        with self._connection.pipeline(transaction=False) as pipe:
            worker.heartbeat(worker.worker_ttl, pipeline=pipe)
            pipe.hset(worker.key, mapping=worker.serialize() | {"state": worker.get_state()})
            worker_registration.register(worker, pipe)
            held = [handle for handle in running if handle.execution is not None]
            for handle in held:
                self._write_execution(handle.job, handle.execution, pipe)
            self._enter(held, pipe)
            pipe.execute()

    def _write_execution(self, job: Job, execution: Execution | None, pipe: Pipeline) -> None:
        if execution is not None:
            execution.last_heartbeat = now()
            execution.save(EXECUTION_SECONDS, pipeline=pipe)
            job.execution_registry.add(execution=execution, ttl=EXECUTION_SECONDS, pipeline=pipe)

    def _enter(self, handles: Iterable[Handle], pipe: Pipeline) -> None:
        """Among what runs, until it is overdue for the next heartbeat."""
        for queue, some in _by_queue(handles):
            until = current_timestamp() + EXECUTION_SECONDS
            pipe.zadd(StartedJobRegistry.key_template.format(queue), dict.fromkeys(_executions(some), until))

    def _leave(self, handles: Iterable[Handle], pipe: Pipeline) -> None:
        for queue, some in _by_queue(handles):
            if executions := _executions(some):
                pipe.zrem(StartedJobRegistry.key_template.format(queue), *executions)
                pipe.delete(*(handle.execution.key for handle in some if handle.execution))
            pipe.delete(*(handle.job.execution_registry.key for handle in some))

    def maintain_if_due(self) -> None:
        """Clears away what dead workers left in the registries."""
        last: datetime | None = self._worker.last_cleaned_at
        if last is None or now() - last > timedelta(seconds=self._worker.maintenance_interval):
            self._worker.run_maintenance_tasks()  # type: ignore[no-untyped-call]

    def subscribe(self) -> None:
        self._worker.subscribe()  # type: ignore[no-untyped-call]

    def unsubscribe(self) -> None:
        self._worker.unsubscribe()  # type: ignore[no-untyped-call]

    def register_death(self) -> None:
        self._worker.register_death()  # type: ignore[no-untyped-call]


def _by_queue(handles: Iterable[Handle]) -> Iterable[tuple[str, list[Handle]]]:
    found: dict[str, list[Handle]] = {}
    for handle in handles:
        found.setdefault(handle.job.origin, []).append(handle)
    return found.items()


def _executions(handles: Iterable[Handle]) -> list[str]:
    return [handle.execution.composite_key for handle in handles if handle.execution]

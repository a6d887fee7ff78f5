"""The way out to the workers: RQ. Jobs are named by dotted path, so that control never climbs a layer.

Called by the scheduler after commit. RQ's own retries, dependents and registries play no part in a task's state: a
job that gets lost is an attempt whose lease ends.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue
from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.queue import EnqueueData
from rq.serializers import JSONSerializer

log = logging.getLogger(__name__)

RUN_ATTEMPT = "orchestration.engine.jobs.run_attempt"
QUEUES = ("high", "normal", "low")
"""By priority: workers empty them in this order."""
RESULT_SECONDS = 60
FAILURE_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptJob:
    """What RQ carries: which attempt, its token, and where to queue it. ``lease_seconds`` bounds the wait."""

    attempt_id: int
    token: str
    queue: str
    lease_seconds: int


@cache
def _connection() -> redis.Redis:
    """This process's client. Short time-outs: whoever waits here is a scheduler, and a lost job is only a lease."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        max_connections=16,
        socket_connect_timeout=1,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 1),
    )


def job_id(attempt_id: int) -> str:
    return f"attempt-{attempt_id}"


def run_attempts(jobs: Iterable[AttemptJob]) -> bool:
    """Enqueues all of them in one pipeline. False when Redis refuses: the leases then end by themselves."""
    by_queue: dict[str, list[AttemptJob]] = {}
    for job in jobs:
        by_queue.setdefault(job.queue, []).append(job)
    try:
        with _connection().pipeline() as pipe:
            for name, batch in by_queue.items():
                line = Queue(name, connection=_connection(), serializer=JSONSerializer)
                line.enqueue_many([_prepared(job) for job in batch], pipeline=pipe)
            pipe.execute()
    except redis.RedisError as error:
        log.warning("jobs not queued, Redis is away: %s", error)
        return False
    return True


def _prepared(job: AttemptJob) -> EnqueueData:
    return Queue.prepare_data(
        RUN_ATTEMPT,
        args=(job.attempt_id, job.token),
        job_id=job_id(job.attempt_id),
        timeout=-1,
        ttl=job.lease_seconds,
        result_ttl=RESULT_SECONDS,
        failure_ttl=FAILURE_SECONDS,
        description=f"attempt {job.attempt_id}",
    )


def stop_attempt(attempt_id: int) -> None:
    """Tells the worker that runs it to close its stream now. Best effort: the lease renewal is the second path."""
    try:
        send_stop_job_command(_connection(), job_id(attempt_id), serializer=JSONSerializer)
    except (NoSuchJobError, InvalidJobOperation):
        log.debug("attempt %s is not with a worker", attempt_id)
    except redis.RedisError as error:
        log.warning("stop of attempt %s not sent, Redis is away: %s", attempt_id, error)


def stop_attempts(attempt_ids: Iterable[int]) -> None:
    for attempt_id in attempt_ids:
        stop_attempt(attempt_id)


def answers() -> bool:
    """Whether Redis takes jobs right now."""
    try:
        return bool(_connection().ping())
    except redis.RedisError:
        return False

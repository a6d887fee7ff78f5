"""The way out to whoever watches: Redis Streams, written after commit, never raising.

One capped stream carries small events (``EVENTS``); the stream id of an entry is the ``seq`` of the websocket. One
stream per attempt carries its text (``attempt_stream``). A hash keeps the latest progress of each running task
(``PROGRESS``) and one keeps each worker's token rates (``RATES``), for those who come later. All of it may be lost at
any moment: the database is the truth, and a reader that finds a gap asks it again.
"""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, partial
from typing import Any

import redis
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger(__name__)

EVENTS = "drover:events"
EVENTS_KEPT = 20_000
WAKE = "drover:wake"
PROGRESS = "drover:progress"
RATES = "drover:rates"
ATTEMPT_STREAM_SECONDS = 3600

Event = tuple[str, Mapping[str, Any]]
"""(kind, payload). Kinds: task, tasks (only the ids), tasks_added, tasks_changed, task_deleted, run (its own fields),
node, model, agent, conversation, memory, pause, plans, load, progress, notice."""


def attempt_stream(attempt_id: int) -> str:
    return f"drover:attempt:{attempt_id}"


@cache
def connection() -> redis.Redis:
    """This process's client: short time-outs, because nothing here is worth waiting for."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        max_connections=64,
        socket_connect_timeout=1,
        socket_timeout=2,
        retry=Retry(NoBackoff(), 1),
    )


def on_commit(*events: Event, wake: bool = False) -> None:
    """Publishes when the surrounding transaction has committed; at once when there is none."""
    transaction.on_commit(partial(publish, events, wake=wake), robust=True)


def publish(events: Iterable[Event], *, wake: bool = False) -> None:
    """Sends now. A Redis that is away costs the hint, not the caller."""
    entries = [(kind, json.dumps(payload, separators=(",", ":"))) for kind, payload in events]
    outbox = _OUTBOX.get()
    if outbox is None:
        _send_if_possible(entries, wake=wake)
    else:
        outbox.append((entries, wake))


@contextmanager
def together() -> Iterator[None]:
    """What is published inside leaves in one piece at the end: for whoever commits many changes at once."""
    outbox: list[tuple[list[tuple[str, str]], bool]] = []
    token = _OUTBOX.set(outbox)
    try:
        yield
    finally:
        _OUTBOX.reset(token)
        if outbox:
            entries = [entry for some, _ in outbox for entry in some]
            _send_if_possible(entries, wake=any(wake for _, wake in outbox))


_OUTBOX: ContextVar[list[tuple[list[tuple[str, str]], bool]] | None] = ContextVar("drover_outbox", default=None)


def _send_if_possible(entries: list[tuple[str, str]], *, wake: bool) -> None:
    try:
        _send(entries, wake=wake)
    except redis.RedisError as error:
        log.warning("%d events not sent, Redis is away: %s", len(entries), error)


def _send(entries: list[tuple[str, str]], *, wake: bool) -> None:
    with connection().pipeline(transaction=False) as pipe:
        for kind, data in entries:
            pipe.xadd(EVENTS, {"k": kind, "d": data}, maxlen=EVENTS_KEPT, approximate=True)
        if wake:
            pipe.lpush(WAKE, "1")
            pipe.ltrim(WAKE, 0, 0)
        pipe.execute()


def wait_for_wake(seconds: float) -> bool:
    """Sleeps until somebody wakes the scheduler or the time is over. Needs a connection of its own: it blocks."""
    try:
        return connection().blpop([WAKE], timeout=seconds) is not None
    except redis.RedisError:
        return False


def read_progress(task_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """The latest progress of running tasks; empty where there is none or Redis is away."""
    ids = list(task_ids)
    if not ids:
        return {}
    try:
        values = connection().hmget(PROGRESS, [str(task_id) for task_id in ids])
    except redis.RedisError:
        return {}
    return {task_id: json.loads(value) for task_id, value in zip(ids, values, strict=True) if value}


def read_rates() -> dict[str, dict[str, Any]]:
    """What each worker last reported about its streams, by worker name; empty when Redis is away."""
    try:
        return {str(name): json.loads(value) for name, value in connection().hgetall(RATES).items()}
    except redis.RedisError:
        return {}

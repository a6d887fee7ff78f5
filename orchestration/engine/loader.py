"""The loader: brings models into the memory of nodes, as planned, one a node at a time.

It asks with an empty prompt on a connection of its own, so that no client who loses patience can end a load for
everybody else who waits for it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Collection, Sequence

from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from orchestration.engine.clients import new_client
from orchestration.errors import InvalidNodeAddress, OllamaError, Refused, SecretsUnreadable, Unreachable
from orchestration.ollama.client import OllamaClient
from orchestration.ollama.wire import LoadedModel
from orchestration.policy.routing import full_name
from orchestration.services import loads
from orchestration.services.loads import LoadJob

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Loads that begin are told at once; this finds those of another leader."""
UNLOAD_SECONDS = 30.0
"""How long a model that others still use may take to go. Then the load is asked for all the same, and Ollama waits."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0


class Loader:
    """Works off the loads that have begun. ``leads``: whether it may begin new ones; what is under way goes on.

    Without its plan a load is given up: the node was lost, disabled or removed.
    """

    def __init__(self, stop: threading.Event, leads: threading.Event) -> None:
        self._stop = stop
        self._leads = leads
        self._nudge = threading.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}

    def run(self) -> None:
        """Blocks until ``stop`` is set and it was told to look. A load under way is left to the next leader."""
        asyncio.run(self._main())

    def look(self) -> None:
        """Something changed: a load has begun, or it is time to stop. For any thread."""
        self._nudge.set()

    async def _main(self) -> None:
        while not self._stop.is_set():
            if self._leads.is_set() or self._busy:
                await self._round()
            await asyncio.to_thread(self._nudge.wait, LOOK_SECONDS)
            self._nudge.clear()
        await _cancelled(self._busy.values())

    async def _round(self) -> None:
        try:
            jobs = {job.token: job for job in await sync_to_async(loads.begun)()}
        except DatabaseError as error:
            log.warning("loads not looked at, the database did not answer: %s", error)
            await sync_to_async(close_old_connections)()
            return
        await _cancelled([task for token, task in self._busy.items() if token not in jobs])
        self._forget_done()
        for token, job in jobs.items():
            if self._leads.is_set() and token not in self._busy:
                self._busy[token] = asyncio.create_task(self._work(job), name=f"load on {job.node_name}")

    def _forget_done(self) -> None:
        """Raises what a load could not handle."""
        for token, task in list(self._busy.items()):
            if task.done():
                del self._busy[token]
                if not task.cancelled():
                    task.result()

    async def _work(self, job: LoadJob) -> None:
        try:
            await _load(job)
        except DatabaseError as error:
            log.warning("load of %s not noted, the database did not answer: %s", job.model, error)
            await sync_to_async(close_old_connections)()


async def _cancelled(tasks: Collection[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _load(job: LoadJob) -> None:
    """One load from making room to its end. May be repeated: what is there already is left alone."""
    try:
        client = new_client(job.base_url, verify_tls=job.verify_tls, headers=job.headers)
    except InvalidNodeAddress as error:  # the settings have become stricter since it was saved
        await _note_failure(job, Unreachable(error.message, cause="address_not_allowed"), None)
        return
    except SecretsUnreadable as error:
        await _note_failure(job, error, None)
        return
    async with client:
        started = time.monotonic()
        try:
            was_there = await _make_room(client, job)
            await client.load(job.model, options=job.options, keep_alive=job.keep_alive)
        except OllamaError as error:
            reachable = not isinstance(error, Unreachable)
            await _note_failure(job, error, await _ps(client, job) if reachable else None)
        else:
            await _note_success(job, None if was_there else time.monotonic() - started, await _ps(client, job))


async def _ps(client: OllamaClient, job: LoadJob) -> list[LoadedModel] | None:
    try:
        return await client.ps()
    except OllamaError as error:
        log.warning("%s does not tell what it has loaded: %s", job.node_name, error.message)
        return None


async def _note_success(job: LoadJob, seconds: float | None, in_memory: Sequence[LoadedModel] | None) -> None:
    """Without knowing what came of it the plan is left: the next round asks once more, which costs nothing."""
    now = timezone.now()
    if in_memory is None:
        return
    log.info("%s has loaded %s%s", job.node_name, job.model, "" if seconds is None else f" in {seconds:.1f} s")
    await sync_to_async(loads.loaded)(node_id=job.node_id, token=job.token, seconds=seconds, loaded=in_memory, now=now)


async def _note_failure(job: LoadJob, error: OllamaError, in_memory: Sequence[LoadedModel] | None) -> None:
    log.warning("%s could not load %s: %s", job.node_name, job.model, error.message)
    await sync_to_async(loads.load_failed)(
        node_id=job.node_id, token=job.token, error=error, loaded=in_memory, now=timezone.now()
    )


async def _make_room(client: OllamaClient, job: LoadJob) -> bool:
    """Whether the model is in memory already. Silence or an odd answer here says nothing against the model."""
    try:
        in_memory = await client.ps()
        if leaving := _still_there(in_memory, job.evict):
            await _unload(client, leaving, job)
    except OllamaError as error:
        raise Unreachable(error.message, cause="no_answer") from error
    return any(_names(item) == job.model and item.context_length == job.num_ctx for item in in_memory)


async def _unload(client: OllamaClient, leaving: set[str], job: LoadJob) -> None:
    """Returns when they are gone, or when it has taken too long."""
    for model in leaving:
        try:
            await client.unload(model)
        except Refused as error:  # deleted from the disk: it goes when its time is over
            log.info("%s cannot unload %s: %s", job.node_name, model, error.message)
    deadline, pause = time.monotonic() + UNLOAD_SECONDS, FIRST_PAUSE
    while _still_there(await client.ps(), job.evict) and time.monotonic() < deadline:
        await asyncio.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * 1.5)


def _still_there(in_memory: Sequence[LoadedModel], evict: Sequence[tuple[str, int]]) -> set[str]:
    """With that context: the same model may be there with another one, from this very load."""
    return {
        model
        for model, num_ctx in evict
        for item in in_memory
        if _names(item) == model and item.context_length in (None, num_ctx)
    }


def _names(item: LoadedModel) -> str:
    return full_name(item.name)

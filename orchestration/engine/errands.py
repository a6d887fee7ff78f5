"""Errands at work: what a node is told to do with a model, followed to its end."""

import asyncio
import logging
import time
from http import HTTPStatus

from django.utils import timezone

from orchestration.engine.downloads import pulled
from orchestration.engine.talks import Talk
from orchestration.engine.writer import Writer
from orchestration.errors import OllamaError, Refused
from orchestration.ollama import wire
from orchestration.ollama.client import OllamaClient
from orchestration.ollama.wire import InstalledModel, LoadedModel
from orchestration.policy.options import RUNNER_OPTIONS
from orchestration.policy.pulls import span
from orchestration.policy.routing import full_name
from orchestration.policy.states import ErrandType
from orchestration.queries.loading import loaded_since
from orchestration.services import errands
from orchestration.services.attempts import AttemptResult

log = logging.getLogger(__name__)

UNLOAD_SECONDS = 30.0
"""So long a model that others still use is waited for; then it goes as soon as they are done."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0


async def performed(talk: Talk, writer: Writer) -> AttemptResult:
    """What became of it, in words."""
    match ErrandType(talk.work.type):
        case ErrandType.PULL:
            words = await pulled(talk, writer)
        case ErrandType.LOAD:
            return _result(await _load(talk, writer))
        case ErrandType.UNLOAD:
            words = await _unload(talk)
        case ErrandType.DELETE:
            words = await _delete(talk)
        case ErrandType.COPY:
            words = await _copy(talk)
    await _look_again(talk, writer)
    return _result(words)


def _result(words: str) -> AttemptResult:
    return AttemptResult(message=words, metrics=wire.parse_metrics({}), asked=False)


async def _load(talk: Talk, writer: Writer) -> str:
    """The scheduler has had it loaded, else nobody would be here; asking once more sets how long it stays."""
    work = talk.work
    began = time.monotonic()
    runner = {name: value for name, value in work.options.items() if name in RUNNER_OPTIONS}
    options = {**runner, "num_ctx": work.num_ctx}  # any other would make the server load it anew
    await talk.client.load(work.model, options=options, keep_alive=work.keep_alive)
    took = time.monotonic() - began
    by_drover = await writer.call(loaded_since, work.task_id, work.node_id, work.model, work.num_ctx)
    seconds = by_drover or (0.0 if work.model_loaded else took)
    return f"Loaded in {span(seconds)}" if seconds else "It was loaded already"


async def _unload(talk: Talk) -> str:
    name = talk.work.model
    if not _names(await talk.client.ps()) & {name}:
        return "It was not loaded"
    try:
        await talk.client.unload(name)
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return "It is gone from the disk, and leaves the memory when its time is over"
    return "Unloaded" if await _gone(talk.client, name) else "It leaves the memory when its requests have ended"


async def _gone(client: OllamaClient, name: str) -> bool:
    deadline, pause = time.monotonic() + UNLOAD_SECONDS, FIRST_PAUSE
    while name in _names(await client.ps()):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * 1.5)
    return True


async def _delete(talk: Talk) -> str:
    """Out of the memory first: a server keeps what is loaded, though its file is gone."""
    client, name = talk.client, talk.work.model
    if name in _names(await client.ps()):
        await client.unload(name)
    try:
        await client.delete(name)
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return "It was not there"
    return "Deleted"


async def _copy(talk: Talk) -> str:
    destination = str(talk.work.parameters["destination"])
    await talk.client.copy(talk.work.model, destination)
    return f"Copied to {destination}"


async def _look_again(talk: Talk, writer: Writer) -> None:
    """Nobody should have to wait for the next poll. Where the node does not tell, that poll will."""
    try:
        installed: list[InstalledModel] = await talk.client.tags()
        loaded = await talk.client.ps()
    except OllamaError as error:
        log.info("%s does not tell what it has now: %s", talk.work.node_name, error.message)
        return
    await writer.call(errands.looked, node_id=talk.work.node_id, installed=installed, loaded=loaded, now=timezone.now())


def _names(loaded: list[LoadedModel]) -> set[str]:
    return {full_name(item.name) for item in loaded}

"""Reads the model library once a day beside everything else. When it cannot be read, nothing else notices."""

import asyncio
import logging
import random
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from orchestration.errors import DroverError, OllamaError, Refused
from orchestration.models import CatalogueState
from orchestration.ollama.addresses import AddressPolicy
from orchestration.ollama.library import Library
from orchestration.policy.catalogue import CatalogueModel, merged
from orchestration.queries import catalogue as queries
from orchestration.services import catalogue as service

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)
AFTER_FAILURE = timedelta(hours=1)
LOOK_SECONDS = 30.0
SIZED_AT_ONCE = 40
"""Models whose own page is read for sizes, at each reading of the list."""
TAKES_AT_MOST = timedelta(minutes=3)


class Librarian:
    """Reads while ``leads`` is set."""

    def __init__(self, stop: threading.Event, leads: threading.Event) -> None:
        self._stop = stop
        self._leads = leads

    def run(self) -> None:
        """Blocks until ``stop`` is set. The first look is after a while: a start has better things to do."""
        while not self._stop.wait(LOOK_SECONDS):
            if self._leads.is_set() and settings.DROVER_CATALOGUE_URL:
                self._look()

    def _look(self) -> None:
        try:
            if is_due(timezone.now()):
                refresh()
        except DatabaseError as error:
            log.warning("the catalogue was not looked after, the database did not answer: %s", error)
        finally:
            close_old_connections()


def is_due(now: datetime) -> bool:
    state = CatalogueState.objects.first()
    if state is None or state.tried_at is None:
        return True
    return now - state.tried_at >= (AFTER_FAILURE if state.error else EVERY)


def refresh() -> bool:
    """Whether the library could be read; what it did wrong is kept for the system page."""
    known = {model.name: model for model in queries.models()}
    try:
        found = asyncio.run(_read(settings.DROVER_CATALOGUE_URL, known))
    except DroverError as error:
        log.info("the model library was not read: %s", error.message)
        service.note_failure(error=error.message, now=timezone.now())
        return False
    service.keep(models=found, now=timezone.now())
    return True


async def _read(url: str, known: dict[str, CatalogueModel]) -> list[CatalogueModel]:
    """All models, and sizes as far as time allows; what earlier readings found out is kept beside them."""
    async with Library(url, addresses=AddressPolicy(allow_private=settings.DROVER_ALLOW_PRIVATE_NODES)) as library:
        found = {model.name: model for model in await library.models()}
        try:
            async with asyncio.timeout(TAKES_AT_MOST.total_seconds()):
                for model in _without_sizes(list(found.values()), known)[:SIZED_AT_ONCE]:
                    with suppress(Refused):  # one that has no such page
                        found[model.name] = await library.with_sizes(model)
        except (OllamaError, TimeoutError) as error:
            log.info("not all sizes were read from the model library: %s", error)
    before = [known[name] for name in found if name in known]
    return [model for model in merged(before, found.values()) if model.name in found]


def _without_sizes(found: Sequence[CatalogueModel], known: dict[str, CatalogueModel]) -> list[CatalogueModel]:
    """Models new to us, and those that have got another tag since, in any order: some pages never tell any."""
    sized = {name: {tag.tag for tag in model.tags if tag.size_bytes} for name, model in known.items()}
    left = [
        model for model in found if not sized.get(model.name) or {tag.tag for tag in model.tags} - sized[model.name]
    ]
    return random.sample(left, len(left))

"""The monitor: asks every node for its version, its models and what it has loaded, and notes what it saw."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from orchestration.engine.clients import new_client
from orchestration.engine.details import Details
from orchestration.errors import InvalidNodeAddress, OllamaError, Refused, SecretsUnreadable
from orchestration.models import Node
from orchestration.ollama.client import OllamaClient
from orchestration.ollama.wire import InstalledModel
from orchestration.policy.freshness import NOTHING_LEFT, is_asked_for
from orchestration.services import nodes
from orchestration.services.nodes import Poll

log = logging.getLogger(__name__)

TAGS_EVERY = 5
"""What is installed changes rarely: it is asked for with every fifth poll, and at the first."""

DESCRIBED_PER_POLL = 20
"""Models of an older server are asked about one by one, which must not keep what else was seen waiting."""

Descriptions = dict[tuple[str, str], InstalledModel]
"""What older servers told of their models, by name and digest."""

Server = tuple[str, bool, str]
"""How a node is reached: its address, whether its certificate is checked, its sealed headers."""


async def poll_node(client: OllamaClient, *, with_tags: bool, descriptions: Descriptions | None = None) -> Poll:
    """One look. A node that does not answer fails it; one whose list of models cannot be read works on with what is
    known of it."""
    started, began = time.monotonic(), timezone.now()
    try:
        version = await client.version()
        latency = time.monotonic() - started
        loaded = await client.ps()
    except OllamaError as error:
        listing_error = error.message if with_tags else ""
        return Poll(at=timezone.now(), began=began, error=error.message, listing_error=listing_error)
    installed, listing_error = await _listed(client, descriptions) if with_tags else (None, "")
    return Poll(
        at=timezone.now(),
        began=began,
        ollama_version=version,
        latency_seconds=latency,
        installed=installed,
        listing_error=listing_error,
        loaded=loaded,
    )


async def _listed(
    client: OllamaClient, descriptions: Descriptions | None
) -> tuple[Sequence[InstalledModel] | None, str]:
    """What is installed, or why that is not known."""
    try:
        installed = await client.tags()
    except OllamaError as error:
        return None, error.message
    return await _described(client, installed, {} if descriptions is None else descriptions), ""


async def _described(
    client: OllamaClient, installed: Sequence[InstalledModel], descriptions: Descriptions
) -> list[InstalledModel]:
    """With what is known or can be learnt now; a model that cannot be described is no fault of the node."""
    missing = [item for item in installed if not item.capabilities and _key(item) not in descriptions]
    for item in missing[:DESCRIBED_PER_POLL]:
        try:
            descriptions[_key(item)] = await client.described(item)
        except Refused:
            continue
        except OllamaError:
            break
    return [descriptions.get(_key(item), item) for item in installed]


def _key(item: InstalledModel) -> tuple[str, str]:
    return item.name, item.digest


class Monitor:
    """Polls while ``leads`` is set, each node on its own so that a slow one delays no other."""

    def __init__(self, stop: threading.Event, leads: threading.Event) -> None:
        self._stop = stop
        self._leads = leads
        self._clients: dict[Server, OllamaClient] = {}
        self._polls: dict[tuple[int, str], int] = {}
        self._descriptions: dict[tuple[int, str], Descriptions] = {}
        self._busy: dict[int, asyncio.Task[None]] = {}
        self._details = Details()

    def run(self) -> None:
        """Blocks until ``stop`` is set."""
        asyncio.run(self._main())

    async def _main(self) -> None:
        while not self._stop.is_set():
            if self._leads.is_set():
                await self._round()
            await self._pause(settings.DROVER_NODE_POLL.total_seconds())
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)
        for client in self._clients.values():
            await client.aclose()

    async def _pause(self, seconds: float) -> None:
        await asyncio.to_thread(self._stop.wait, seconds)

    async def _round(self) -> None:
        try:
            listed = await sync_to_async(_enabled_nodes)()
        except DatabaseError as error:
            log.warning("nodes not polled, the database did not answer: %s", error)
            await sync_to_async(close_old_connections)()
            return
        await self._forget_others({_server(node) for node in listed})
        self._busy = {pk: task for pk, task in self._busy.items() if not task.done()}
        for node in listed:
            if node.pk not in self._busy:
                self._busy[node.pk] = asyncio.create_task(self._look(node))

    async def _forget_others(self, wanted: set[Server]) -> None:
        for key in set(self._clients) - wanted:
            await self._clients.pop(key).aclose()

    async def _look(self, node: Node) -> None:
        server = (node.pk, node.base_url)
        count = self._polls.get(server, 0)
        descriptions = self._descriptions.setdefault(server, {})
        try:
            client = self._client_of(node)
            poll = await poll_node(client, with_tags=_wants_list(node, count), descriptions=descriptions)
        except (InvalidNodeAddress, SecretsUnreadable) as error:  # the settings are others since it was saved
            poll = Poll(at=timezone.now(), error=error.message, listing_error=error.message)
        self._polls[server] = 0 if poll.error else count + 1
        try:
            await sync_to_async(nodes.record_poll)(node_id=node.pk, poll=poll, base_url=node.base_url)
            if poll.installed:
                await self._details.learn(self._client_of(node), node.pk)
        except DatabaseError as error:
            log.warning("poll of %s not noted, the database did not answer: %s", node.name, error)

    def _client_of(self, node: Node) -> OllamaClient:
        key = _server(node)
        if key not in self._clients:
            base_url, verify_tls, headers = key
            self._clients[key] = new_client(base_url, verify_tls=verify_tls, headers=headers)
        return self._clients[key]


def _wants_list(node: Node, polls: int) -> bool:
    """Somebody may have asked for it, and what is hard to believe is asked once more at once."""
    asked = is_asked_for(node.listing_wanted_at, node.listing_tried_at)
    return polls % TAGS_EVERY == 0 or asked or node.listing_error == NOTHING_LEFT


def _server(node: Node) -> Server:
    return node.base_url, node.verify_tls, node.sealed_headers


def _enabled_nodes() -> Sequence[Node]:
    return list(Node.objects.filter(enabled=True))

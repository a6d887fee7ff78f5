"""Which Ollama servers a start finds, and how they become nodes: configured, found on this machine, or simulated."""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from orchestration.errors import DroverError, InvalidInput
from orchestration.management import ports
from orchestration.models import Node
from orchestration.ollama.addresses import AddressPolicy, check_url
from orchestration.ollama.client import OllamaClient
from orchestration.ollama.simulator import NodeSpec, demo_nodes
from orchestration.ollama.wire import InstalledModel, LoadedModel
from orchestration.permissions import SYSTEM
from orchestration.services import nodes, secrets

LOCAL = "http://127.0.0.1:11434"
DEMO_PORT = 21434
_DEMO_STEP = 10
_LOCAL_NAMES = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one short look at a server showed; ``error`` in words when it does not answer as Ollama does."""

    url: str
    version: str = ""
    installed: Sequence[InstalledModel] = ()
    loaded: Sequence[LoadedModel] = ()
    error: str = ""

    @property
    def words(self) -> str:
        if self.error:
            return f"{self.url} does not answer: {self.error}"
        return f"{self.url}  {self.version} · {_counted(len(self.installed), 'model')} · {len(self.loaded)} loaded"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def configured() -> list[str]:
    """OLLAMA_HOSTS, else OLLAMA_HOST, in the one spelling that nodes have. Raises InvalidNodeAddress."""
    return list(dict.fromkeys(map(normalised, settings.DROVER_OLLAMA_HOSTS)))


def normalised(host: str) -> str:
    """Servers are told ``:11435`` or ``0.0.0.0`` to listen everywhere; for who calls them it means this machine."""
    return check_url(f"127.0.0.1{host}" if host.startswith(":") else host, policy())


def policy() -> AddressPolicy:
    return AddressPolicy(allow_private=settings.DROVER_ALLOW_PRIVATE_NODES)


async def look_at(url: str, *, seconds: float = 1.0, known: Node | None = None) -> Look:
    """``known``: the node at this address, which may want headers."""
    try:
        headers = secrets.opened(known.sealed_headers) if known else {}
        verify_tls = known is None or known.verify_tls
        client = OllamaClient(url, headers=headers, verify_tls=verify_tls, addresses=policy())
        async with asyncio.timeout(seconds), client:
            version = await client.version()
            installed, loaded = await asyncio.gather(client.tags(), client.ps())
    except TimeoutError:
        return Look(url=url, error=f"nothing came within {seconds:g} s")
    except DroverError as error:
        return Look(url=url, error=error.message)
    return Look(url=url, version=version, installed=installed, loaded=loaded)


async def look_at_all(urls: Sequence[str]) -> list[Look]:
    known = await sync_to_async(_known)()
    return list(await asyncio.gather(*(look_at(url, known=known.get(url)) for url in urls)))


def _known() -> dict[str, Node]:
    """By address; none before there is a database."""
    try:
        return {node.base_url: node for node in Node.objects.only("base_url", "verify_tls", "sealed_headers")}
    except DatabaseError:
        return {}


async def look_until_seen(urls: Sequence[str], *, within: float) -> list[Look]:
    """Looks again and again until all of them answer or the time is over."""
    deadline = time.monotonic() + within
    looks = await look_at_all(urls)
    while any(look.error for look in looks) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        looks = await look_at_all(urls)
    return looks


def record(looks: Sequence[Look]) -> None:
    """What was seen becomes known before the first task comes, not only at the scheduler's first poll."""
    node_ids = dict(Node.objects.values_list("base_url", "pk"))
    for look in looks:
        if not look.error and look.url in node_ids:
            poll = nodes.Poll(
                at=timezone.now(), ollama_version=look.version, installed=look.installed, loaded=look.loaded
            )
            nodes.record_poll(node_id=node_ids[look.url], poll=poll)


def real_urls() -> list[str]:
    """The nodes that people have connected."""
    return list(Node.objects.filter(simulated=False, enabled=True).values_list("base_url", flat=True))


def circuits() -> list[str]:
    """The words for those that are not closed, each with its node's name."""
    now = timezone.now()
    return [f"{node.name}: {words}" for node in Node.objects.filter(enabled=True) if (words := node.circuit.words(now))]


def simulated_urls() -> list[str]:
    return list(Node.objects.filter(simulated=True).values_list("base_url", flat=True))


def connect(urls: Sequence[str]) -> list[Node]:
    """Makes nodes of those addresses that are none yet; what people have changed on the others stays."""
    known = set(Node.objects.values_list("base_url", flat=True))
    made = []
    for url in urls:
        if url not in known:
            taken = set(Node.objects.values_list("name", flat=True))
            made.append(nodes.create(actor=SYSTEM, name=_name_for(url, taken), base_url=url))
    return made


def _name_for(url: str, taken: Collection[str]) -> str:
    parts = urlsplit(url)
    host = parts.hostname or "node"
    name = "local" if host in _LOCAL_NAMES else host
    candidates = [name, f"{name}-{parts.port}", *(f"{name}-{number}" for number in range(2, 1000))]
    return next(candidate[:60] for candidate in candidates if candidate[:60] not in taken)


def demo_port() -> int:
    """The first of three free ports in a row: the same ones at each start, as long as nobody else has them."""
    count = len(demo_nodes())
    for first in range(DEMO_PORT, 65_000, _DEMO_STEP):
        if all(ports.is_free("127.0.0.1", first + place) for place in range(count)):
            return first
    raise InvalidInput("There are no free ports for the simulated servers.")


def connect_simulated(first_port: int) -> list[Node]:
    """The three simulated servers as nodes, at the ports of this start."""
    return [_simulated_node(spec, first_port + place) for place, spec in enumerate(demo_nodes())]


def _simulated_node(spec: NodeSpec, port: int) -> Node:
    base_url = f"http://127.0.0.1:{port}"
    same_name = Node.objects.filter(name__in=(spec.name, f"demo-{spec.name}"), simulated=True).first()
    if same_name is not None:
        return nodes.update(actor=SYSTEM, node_id=same_name.pk, base_url=base_url, enabled=True)
    is_taken = Node.objects.filter(name=spec.name).exists()
    return nodes.create(
        actor=SYSTEM,
        name=f"demo-{spec.name}" if is_taken else spec.name,
        base_url=base_url,
        slots_per_model=spec.slots,
        vram_bytes=spec.vram,
        simulated=True,
    )


def forget_simulated() -> int:
    """Removes the nodes of an earlier demo. What ran on them keeps their names."""
    left = list(Node.objects.filter(simulated=True).values_list("pk", flat=True))
    for node_id in left:
        nodes.delete(actor=SYSTEM, node_id=node_id)
    return len(left)

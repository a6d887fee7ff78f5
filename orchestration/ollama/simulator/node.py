"""One simulated server: its parts put together, listening, and stopping to listen when a fault says so."""

import asyncio
import time
from dataclasses import fields
from typing import Any, Self

from aiohttp import web

from .decoder import Decoder
from .downloads import Downloads
from .faults import NETWORK, Fault, FaultBox
from .journal import Journal
from .registry import Registry
from .routes import ROUTES, make_app
from .runner import Runner
from .scheduler import Scheduler
from .specs import NodeSpec

_FIXED = frozenset({"name", "port", "host", "models", "known"})
_CHANGEABLE: dict[str, Any] = {
    entry.name: type(entry.default) for entry in fields(NodeSpec) if entry.name not in _FIXED
}


class SimulatedNode:
    """``async with SimulatedNode(NodeSpec(...)) as node: node.url``."""

    def __init__(self, spec: NodeSpec) -> None:
        self.spec = spec
        self.faults = FaultBox()
        self.journal = Journal()
        self.decoder = Decoder(spec.jitter)
        self.registry = Registry(spec)
        self.scheduler = Scheduler(spec, self.decoder, self.journal, self.faults)
        self.downloads = Downloads(spec, self.registry, self.faults)
        self.paths = frozenset(route.path for route in ROUTES)
        self.siblings: dict[str, SimulatedNode] = {spec.name: self}
        self.port = spec.port
        self._web: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._dead = False
        self._network = asyncio.Lock()
        self._following: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://{self.spec.host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        # Without cancellation of handlers nobody would notice a caller who leaves while nothing is written.
        self._web = web.AppRunner(make_app(self), handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await self._web.setup()
        self.scheduler.start()
        await self._listen()
        self.faults.changed = self._follow_faults

    async def stop(self) -> None:
        self.faults.changed = lambda: None
        for task in list(self._following):
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        await self._refuse()
        self._drop_connections()
        await self.scheduler.stop()
        if self._web is not None:
            await self._web.cleanup()

    async def revive(self) -> None:
        """Listen again, whatever stopped it."""
        self.faults.clear(NETWORK)
        await self._follow_network()

    def sibling(self, name: str) -> "SimulatedNode":
        """Another node of this process: how one that refuses connections is reached over HTTP."""
        if not name:
            return self
        if name not in self.siblings:
            raise LookupError(f"no node called {name!r}; there are {', '.join(self.siblings)}")
        return self.siblings[name]

    def configure(self, **changes: Any) -> dict[str, Any]:
        if unknown := sorted(set(changes) - set(_CHANGEABLE)):
            raise ValueError(f"cannot change {', '.join(unknown)}; only {', '.join(sorted(_CHANGEABLE))}")
        for name, value in changes.items():
            setattr(self.spec, name, _CHANGEABLE[name](value))
        self.decoder.jitter = self.spec.jitter
        return self.config()

    def config(self) -> dict[str, Any]:
        return {name: getattr(self.spec, name) for name in sorted(_CHANGEABLE)}

    def state(self) -> dict[str, Any]:
        loading = self.scheduler.loading
        return {
            "name": self.spec.name,
            "url": self.url,
            "now": time.monotonic(),
            "listening": self._server is not None,
            "dead": self._dead,
            "vram": self.spec.vram,
            "models": {
                runner.model.name.display: self._runner_state(runner) for runner in self.scheduler.loaded.values()
            },
            "loading": loading.model.name.display if loading else None,
            "loading_since": self.scheduler.loading_since if loading else None,
            "load_queue_length": self.scheduler.queue_length,
            "downloads": self.downloads.snapshot(),
            "faults": self.faults.listing(),
            "faults_struck": dict(self.faults.struck),
            **self.journal.snapshot(),
        }

    def _runner_state(self, runner: Runner) -> dict[str, Any]:
        return {
            "running": runner.running,
            "waiting": runner.waiting,
            "references": runner.references,
            "slots": runner.slots,
            "tokens_last_second": self.decoder.tokens_last_second(runner),
            "size": runner.size,
            "vram_bytes": runner.size_vram,
            "num_ctx": runner.options.num_ctx,
            "keep_alive": None if runner.keep_alive == float("inf") else runner.keep_alive,
        }

    async def _listen(self) -> None:
        if self._server is None and self._web is not None and self._web.server is not None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._web.server, self.spec.host, self.port, backlog=1024)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _drop_connections(self) -> None:
        server = self._web.server if self._web is not None else None
        for connection in list(server.connections) if server is not None else ():
            if connection.transport is not None:
                connection.transport.abort()

    def _follow_faults(self) -> None:
        for fault in self.faults.present(NETWORK):
            if fault.seconds is not None:
                asyncio.get_running_loop().call_later(fault.seconds, self.faults.remove, fault)
                fault.seconds = None
        task = asyncio.create_task(self._follow_network())
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _follow_network(self) -> None:
        async with self._network:
            wanted: set[str] = {fault.kind for fault in self.faults.present(NETWORK) if fault.count != 0}
            if wanted:
                await self._refuse()
            if "die" in wanted and not self._dead:
                self._dead = True
                self._drop_connections()
                await self.scheduler.stop()
            if not wanted:
                if self._dead:
                    self._dead = False
                    self.scheduler.start()
                await self._listen()

    def add_fault(self, kind: str, **settings: Any) -> Fault:
        fault = Fault(kind, **settings)
        self.faults.add(fault)
        return fault


def introduce(nodes: list[SimulatedNode]) -> None:
    """Nodes of one process know each other by name."""
    known = {node.spec.name: node for node in nodes}
    for node in nodes:
        node.siblings = known

"""Simulated servers for callers without an event loop: one thread runs them, a handle speaks to it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from .faults import Fault
from .node import SimulatedNode, introduce
from .specs import NodeSpec

T = TypeVar("T")
_PATIENCE = 30.0


@dataclass(slots=True)
class NodeHandle:
    """One node in the other thread. Every call returns when the node has done it."""

    _node: SimulatedNode
    _loop: asyncio.AbstractEventLoop

    @property
    def name(self) -> str:
        return self._node.spec.name

    @property
    def url(self) -> str:
        return self._node.url

    def state(self) -> dict[str, Any]:
        return self._call(self._node.state)

    def faults(self, *faults: Fault | dict[str, Any], replace: bool = False) -> list[dict[str, Any]]:
        """Add switches, or put them in the place of all others."""
        made = [fault if isinstance(fault, Fault) else Fault.from_dict(fault) for fault in faults]
        change = self._node.faults.replace if replace else self._node.faults.add
        self._call(lambda: change(*made))
        self._await(self._node._follow_network())
        return self._call(self._node.faults.listing)

    def clear_faults(self) -> None:
        self.faults(replace=True)

    def configure(self, **changes: Any) -> dict[str, Any]:
        return self._call(lambda: self._node.configure(**changes))

    def revive(self) -> None:
        self._await(self._node.revive())

    def _call(self, what: Callable[[], T]) -> T:
        async def inside() -> T:
            return what()

        return self._await(inside())

    def _await(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(_PATIENCE)


class Herd:
    """Running nodes; ``stop`` ends them, leaving the ``with`` block too."""

    def __init__(self, specs: Sequence[NodeSpec]) -> None:
        self._specs = list(specs)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._leave = asyncio.Event()
        self._errors: list[OSError] = []
        self.nodes: list[NodeHandle] = []
        self._thread = threading.Thread(target=self._work, name="simulated servers", daemon=True)
        self._thread.start()
        self._ready.wait(_PATIENCE)
        for error in self._errors:
            self._thread.join(_PATIENCE)
            raise error

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    def node(self, name: str) -> NodeHandle:
        return next(node for node in self.nodes if node.name == name)

    def state(self) -> dict[str, dict[str, Any]]:
        return {node.name: node.state() for node in self.nodes}

    def faults(self, *faults: Fault | dict[str, Any], node: str = "", replace: bool = False) -> None:
        """On one node, or on all."""
        for handle in self.nodes:
            if node in ("", handle.name):
                handle.faults(*faults, replace=replace)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._leave.set)
            self._thread.join(_PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _work(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except OSError as error:
            self._errors.append(error)
            self._ready.set()
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        nodes = [SimulatedNode(spec) for spec in self._specs]
        introduce(nodes)
        try:
            for node in nodes:
                await node.start()
            self.nodes = [NodeHandle(node, self._loop) for node in nodes]
            self._ready.set()
            await self._leave.wait()
        finally:
            for node in nodes:
                await node.stop()


def run_in_thread(specs: Sequence[NodeSpec]) -> Herd:
    return Herd(specs)

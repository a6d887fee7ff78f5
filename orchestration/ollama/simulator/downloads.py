"""Pulling: layers one after the other, shared by everybody who waits for them, kept when nobody does."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from .faults import FaultBox
from .names import ModelName
from .refusal import Refusal
from .registry import InstalledModel, Layer, Registry
from .specs import GB, NodeSpec
from .stamps import without_empty

_STEP = 0.02
_REPORT = 0.06


class _Download:
    """One blob on its way. It proceeds while somebody listens."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.completed = 0
        self.listeners = 0
        self.drop_at: int | None = None
        self.task: asyncio.Task[None] | None = None


class Downloads:
    def __init__(self, node: NodeSpec, registry: Registry, faults: FaultBox) -> None:
        self._node = node
        self._registry = registry
        self._faults = faults
        self._running: dict[str, _Download] = {}
        self.started = 0

    def snapshot(self) -> list[dict[str, Any]]:
        return [
            {
                "digest": entry.layer.title,
                "total": entry.layer.size,
                "completed": entry.completed,
                "listeners": entry.listeners,
            }
            for entry in self._running.values()
        ]

    async def pull(self, name: ModelName) -> AsyncGenerator[dict[str, Any], None]:
        """Progress objects up to success; a failure is raised."""
        yield {"status": "pulling manifest"}
        model = self._registry.published(name)
        if model is None:
            raise Refusal(500, "pull model manifest: file does not exist", in_stream=True)
        for layer in model.layers:
            async with aclosing(self._fetch(layer, name.display)) as steps:
                async for progress in steps:
                    yield progress
        yield {"status": "verifying sha256 digest"}
        self._verify(model)
        yield {"status": "writing manifest"}
        before = self._registry.find(name.display)
        self._registry.install(model)
        if before is not None and before.digest != model.digest:
            self._registry.drop_unused(layer.digest for layer in before.layers)
            yield {"status": "removing unused layers"}
        yield {"status": "success"}

    def _verify(self, model: InstalledModel) -> None:
        fault = self._faults.take("wrong_digest", model.name.display)
        if fault is None:
            return
        digest = model.weights.digest
        self._registry.blobs.pop(digest, None)
        message = f"digest mismatch, file must be downloaded again: want sha256:{digest}, got sha256:{digest[::-1]}"
        raise Refusal(500, fault.message or message, in_stream=True)

    async def _fetch(self, layer: Layer, model: str) -> AsyncGenerator[dict[str, Any], None]:
        if layer.digest in self._registry.blobs:
            yield _progress(layer, layer.size)
            return
        download = self._joined(layer, model)
        try:
            yield _progress(layer, download.completed)
            task = download.task
            while task is not None and not task.done():
                await asyncio.wait({task}, timeout=_REPORT)
                yield _progress(layer, download.completed)
            if task is not None:
                task.result()
        finally:
            self._left(download)

    def _joined(self, layer: Layer, model: str) -> _Download:
        download = self._running.setdefault(layer.digest, _Download(layer))
        download.listeners += 1
        if download.task is None or download.task.done():
            fault = self._faults.take("pull_drop", model) if layer.size > GB / 1000 else None
            download.drop_at = int(layer.size * fault.percent / 100) if fault else None
            download.task = asyncio.create_task(self._transfer(download))
            self.started += 1
        return download

    def _left(self, download: _Download) -> None:
        download.listeners -= 1
        if download.listeners == 0 and download.task is not None:
            download.task.cancel()
            download.task = None

    async def _transfer(self, download: _Download) -> None:
        layer = download.layer
        while download.completed < layer.size:
            await asyncio.sleep(_STEP)
            step = int(self._node.pull_gb_per_second * GB * self._node.speed * _STEP)
            download.completed = min(layer.size, download.completed + max(1, step))
            if download.drop_at is not None and download.completed >= download.drop_at:
                download.completed = download.drop_at
                raise Refusal(500, "max retries exceeded: unexpected EOF", in_stream=True)
        self._registry.blobs[layer.digest] = layer.size
        self._running.pop(layer.digest, None)


def _progress(layer: Layer, completed: int) -> dict[str, Any]:
    counts = without_empty({"total": layer.size, "completed": completed})
    return {"status": f"pulling {layer.digest[:12]}", "digest": layer.title} | counts

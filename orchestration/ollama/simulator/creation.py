"""``/api/create``: a new name from an installed model or from uploaded files."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from aiohttp import web

from .exchange import Exchange
from .management import Progress
from .names import ModelName
from .refusal import Refusal
from .registry import InstalledModel, Layer, installed_from
from .specs import ModelSpec


async def create(exchange: Exchange) -> web.StreamResponse:
    name = ModelName.parse(exchange.model)
    if name is None:
        raise Refusal(400, "invalid model name")
    body, progress = exchange.body, Progress(exchange)
    if not body.get("from") and not body.get("files"):
        return await progress.fail(Refusal(400, "neither 'from' or 'files' was specified", in_stream=True))
    if len(body.get("adapters") or ()) > 1:
        raise Refusal(400, "only one adapter is currently supported")
    try:
        async with aclosing(_steps(exchange, name)) as steps:
            async for step in steps:
                await progress.tell(step)
    except Refusal as refusal:
        return await progress.fail(refusal)
    return await progress.end()


async def _steps(exchange: Exchange, name: ModelName) -> AsyncGenerator[dict[str, Any], None]:
    body, registry = exchange.body, exchange.node.registry
    if body.get("from"):
        async with aclosing(_pulled(exchange, body["from"])) as steps:
            async for step in steps:
                yield step
        base = registry.find(body["from"])
        assert base is not None
    else:
        base = _from_files(exchange, name)
        yield {"status": "parsing GGUF"}
    model = _changed(base, name, body)
    for layer in model.layers:
        known = layer.digest in registry.blobs
        yield {"status": f"{'using existing' if known else 'creating new'} layer {layer.title}"}
    yield {"status": "writing manifest"}
    registry.install(model)
    yield {"status": "success"}


async def _pulled(exchange: Exchange, source: str) -> AsyncGenerator[dict[str, Any], None]:
    """A source that is not installed is fetched first."""
    name = ModelName.parse(source)
    if name is None:
        raise Refusal(400, "invalid model name")
    if exchange.node.registry.find(source) is None:
        async with aclosing(exchange.node.downloads.pull(name)) as steps:
            async for step in steps:
                if step["status"] != "success":
                    yield step


def _from_files(exchange: Exchange, name: ModelName) -> InstalledModel:
    registry = exchange.node.registry
    for path, title in exchange.body["files"].items():
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise Refusal(400, "file path must be relative")
        digest = str(title).removeprefix("sha256:")
        if len(digest) != 64 or not str(title).startswith("sha256:"):
            raise Refusal(400, "invalid digest format")
        if digest not in registry.blobs:
            raise Refusal(500, f"open blobs/sha256-{digest}: no such file or directory")
    start = registry.uploads.get(digest, b"GGUF")
    if not start.startswith(b"GGUF"):
        raise Refusal(400, "supplied file was not in GGUF format" if path.endswith(".gguf") else "unknown type")
    size = registry.blobs[digest]
    spec = ModelSpec(name.display, size, "llama", "1.0B", context=8192, template="{{ .Prompt }}", license="")
    return replace(installed_from(spec, name), weights=Layer("model", digest, size))


def _changed(base: InstalledModel, name: ModelName, body: Mapping[str, Any]) -> InstalledModel:
    licence = body.get("license") or base.license
    fresh = installed_from(base.spec, name)
    return replace(
        fresh,
        weights=base.weights,
        parent=base.name.display if body.get("from") else "",
        system=body.get("system") or base.system,
        template=body.get("template") or base.template,
        license="\n".join(licence) if isinstance(licence, list) else str(licence),
        parameters={**base.parameters, **(body.get("parameters") or {})},
        messages=tuple(body.get("messages") or base.messages),
    )

"""``/api/generate``, ``/api/chat``, ``/api/embed`` and ``/api/embeddings``: checks in the server's own order."""

import time
from collections.abc import Sequence as Texts
from typing import Any

from aiohttp import web

from .decoder import Sequence
from .exchange import Exchange
from .generation import load_only, run, unload
from .jobs import (
    check_capability,
    check_top_logprobs,
    demand_of,
    installed,
    make_job,
    settled_think,
)
from .names import without_source
from .refusal import Refusal, runner_refusal
from .registry import InstalledModel
from .stamps import without_empty
from .text import count_tokens
from .vectors import embedding, raw_vector
from .voices import NativeVoice, Voice

_NO_EMBEDDINGS = "This server does not support embeddings. Start it with `--embeddings`"
# Embedding models read a prompt in one pass, much faster than chat models do.
_EMBEDDING_GAIN = 10


async def generate(exchange: Exchange) -> web.StreamResponse:
    body = exchange.body
    exchange.streams = body.get("stream", True)
    check_top_logprobs(body)
    if not exchange.model:
        raise Refusal(404, "model '' not found")
    model = installed(exchange, exchange.model)
    voice = NativeVoice(exchange.model, chats=False)
    prompt = body.get("prompt", "")
    if not prompt and body.get("keep_alive") == 0:
        return unload(exchange, voice, model.weights.digest)
    if body.get("raw") and (body.get("template") or body.get("system") or body.get("context")):
        raise Refusal(400, "raw mode does not support template, system, or context")
    think = settled_think(body, model, exchange.model)
    _refuse_embedding_model(exchange, model, "generate")
    if body.get("suffix"):
        check_capability(model, "insert")
    job = make_job(exchange, model, voice, think)
    job.raw = body.get("raw", False)
    job.extra_tokens = len(body.get("context") or ())
    job.messages = _prompt_messages(body, model)
    return await (run(exchange, job) if prompt else load_only(exchange, job))


def _prompt_messages(body: dict[str, Any], model: InstalledModel) -> list[dict[str, Any]]:
    system = "" if body.get("raw") else body.get("system", model.system)
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    return [*messages, {"role": "user", "content": body.get("prompt", ""), "images": body.get("images") or []}]


def _refuse_embedding_model(exchange: Exchange, model: InstalledModel, verb: str) -> None:
    if model.spec.is_embedding:
        raise Refusal(400, f'"{exchange.model}" does not support {verb}')


async def chat(exchange: Exchange) -> web.StreamResponse:
    exchange.streams = exchange.body.get("stream", True)
    if not exchange.model:
        raise Refusal(400, "model is required")
    return await chat_with(exchange, NativeVoice(exchange.model, chats=True))


async def chat_with(exchange: Exchange, voice: Voice) -> web.StreamResponse:
    """The chat behind every dialect; ``exchange.body`` is a native chat body."""
    body = exchange.body
    check_top_logprobs(body)
    model = installed(exchange, exchange.model)
    messages = body.get("messages") or []
    if not messages and body.get("keep_alive") == 0:
        return unload(exchange, voice, model.weights.digest)
    think = settled_think(body, model, exchange.model)
    _refuse_embedding_model(exchange, model, "chat")
    tools = body.get("tools") or []
    if tools:
        check_capability(model, "tools")
    job = make_job(exchange, model, voice, think)
    job.native = model.spec.tool_shape == "native" and exchange.node.spec.has_llama_server
    job.tools = tools
    job.messages = _conversation(messages, model)
    return await (run(exchange, job) if messages else load_only(exchange, job))


def _conversation(messages: Texts[dict[str, Any]], model: InstalledModel) -> list[dict[str, Any]]:
    whole: list[dict[str, Any]] = [*map(dict, model.messages), *messages]
    has_system = bool(messages) and messages[0].get("role") == "system"
    if model.system and not has_system:
        whole.insert(0, {"role": "system", "content": model.system})
    return whole


async def embed(exchange: Exchange) -> web.StreamResponse:
    body = exchange.body
    if not exchange.model:
        raise Refusal(404, "model '' not found")
    vectors, metrics = await embed_texts(exchange, _inputs(body.get("input")), body.get("dimensions", 0))
    return exchange.json({"model": exchange.model, "embeddings": vectors} | without_empty(metrics))


def _inputs(value: Any) -> list[str]:
    if value in (None, ""):
        return []
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refusal(400, "invalid input type")
    return texts


async def embed_texts(
    exchange: Exchange, texts: list[str], dimensions: int
) -> tuple[list[list[float]], dict[str, int]]:
    model = _embedding_model(exchange)
    demand, _ = demand_of(exchange, model, exchange.body)
    async with exchange.node.scheduler.lease(demand, exchange.record) as runner:
        load_ns = time.perf_counter_ns() - exchange.started_ns
        if not texts:
            return [], {}
        _refuse_chat_model(exchange, model)
        tokens = _counted(texts, runner.options.num_ctx, exchange.body.get("truncate", True))
        async with runner.slot("") as slot:
            slot.text = ""
            await _read(exchange, Sequence(runner, tokens / _EMBEDDING_GAIN, 0))
        vectors = [embedding(text, model.spec.embedding_length, dimensions) for text in texts]
        total_ns = time.perf_counter_ns() - exchange.started_ns
        return vectors, {"total_duration": total_ns, "load_duration": load_ns, "prompt_eval_count": tokens}


async def _read(exchange: Exchange, sequence: Sequence) -> None:
    exchange.record.phase = "prefill"
    exchange.node.decoder.add(sequence)
    try:
        await sequence.prefilled()
    finally:
        exchange.node.decoder.drop(sequence)


def _embedding_model(exchange: Exchange) -> InstalledModel:
    try:
        return installed(exchange, exchange.model)
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        name, _ = without_source(exchange.model)
        raise Refusal(404, f'model "{name}" not found, try pulling it first') from None


def _refuse_chat_model(exchange: Exchange, model: InstalledModel) -> None:
    if not model.spec.is_embedding and exchange.node.spec.has_llama_server:
        raise runner_refusal(501, _NO_EMBEDDINGS, "not_supported_error")


def _counted(texts: list[str], num_ctx: int, truncate: bool) -> int:
    counts = [count_tokens(text) + 2 for text in texts]
    if not truncate and max(counts) > num_ctx:
        raise Refusal(400, "the input length exceeds the context length")
    return sum(min(count, num_ctx) for count in counts)


async def embeddings(exchange: Exchange) -> web.StreamResponse:
    """The older call: one text, a vector that is not normalised, every runner error a 500."""
    if not exchange.model:
        raise Refusal(400, "model is required")
    prompt = exchange.body.get("prompt", "")
    try:
        vectors, _ = await embed_texts(exchange, [prompt] if prompt else [], 0)
    except Refusal as refusal:
        raise Refusal(500 if refusal.in_stream else refusal.status, refusal.message) from None
    if not vectors:
        return exchange.json({"embedding": []})
    return exchange.json({"embedding": raw_vector(prompt, len(vectors[0]))})

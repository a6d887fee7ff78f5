"""The OpenAI dialect: translators around chat, embed and the list of models. They cannot set runner options."""

import base64
import json
import random
import time
from array import array
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from .answers import THINKING
from .body import CHAT, read_body
from .exchange import EVENTS, Exchange
from .inference import chat_with, embed_texts
from .jobs import installed
from .refusal import Refusal
from .stamps import encode, without_empty
from .voices import Ending, Said

_EFFORT = {"none": False, "minimal": "low", "xhigh": "high", "ultra": "max"}
_SAMPLING = {
    "max_tokens": "num_predict",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}


class OpenAIVoice:
    """Server-sent events, or one ``chat.completion``."""

    content_type = EVENTS

    def __init__(self, model: str, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._fresh = True
        self._called = False
        self._head = {
            "id": f"chatcmpl-{random.randint(0, 998)}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": "fp_ollama",
        }

    def _event(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + encode({**self._head, "choices": [choice]}) + b"\n\n"

    def _delta(self, said: dict[str, Any]) -> dict[str, Any]:
        role = {"role": "assistant"} if self._fresh else {}
        self._fresh = False
        return role | said

    def piece(self, kind: str, text: str, logprobs: list[dict[str, Any]] | None) -> bytes:
        if kind == THINKING:
            return self._event(self._delta({"content": "", "reasoning": text}))
        return self._event(self._delta({"content": text}))

    def calls(self, calls: list[dict[str, Any]]) -> bytes:
        self._called = True
        return self._event(self._delta({"content": "", "tool_calls": _openai_calls(calls)}))

    def last(self, ending: Ending) -> bytes:
        events = [self.calls(ending.tool_calls)] if ending.tool_calls else []
        events.append(self._event({"content": ""}, "tool_calls" if self._called else ending.done_reason))
        if self._include_usage:
            events.append(b"data: " + encode({**self._head, "choices": [], "usage": _usage(ending)}) + b"\n\n")
        return b"".join([*events, b"data: [DONE]\n\n"])

    def whole(self, said: Said, ending: Ending | None) -> dict[str, Any]:
        ending = ending or Ending("")
        message: dict[str, Any] = {"role": "assistant", "content": "".join(said.content)}
        message |= without_empty({"reasoning": "".join(said.thinking), "tool_calls": _openai_calls(said.tool_calls)})
        reason = "tool_calls" if said.tool_calls else ending.done_reason or None
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reason}
        if said.logprobs:
            choice["logprobs"] = {"content": said.logprobs}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": _usage(ending)}

    def failure(self, message: str) -> bytes:
        """What goes wrong in the middle is swallowed: an empty delta, and no end mark."""
        return self._event({"content": ""})


def _openai_calls(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "id": call["id"],
            "index": call["function"]["index"],
            "type": "function",
            "function": {
                "name": call["function"]["name"],
                "arguments": json.dumps(call["function"]["arguments"], separators=(",", ":")),
            },
        }
        for call in calls
    ]


def _usage(ending: Ending) -> dict[str, int]:
    read, written = ending.metrics.get("prompt_eval_count", 0), ending.metrics.get("eval_count", 0)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


async def chat_completions(exchange: Exchange) -> web.StreamResponse:
    body = exchange.body
    if not body.get("messages"):
        raise Refusal(400, "[] is too short - 'messages'")
    native = _native_chat(body)
    exchange.body = read_body(json.dumps(native).encode(), CHAT)
    exchange.streams = bool(body.get("stream"))
    if not exchange.model:
        raise Refusal(400, "model is required")
    usage = bool((body.get("stream_options") or {}).get("include_usage"))
    voice = OpenAIVoice(exchange.model, include_usage=usage)
    if "think" not in native and "thinking" not in installed(exchange, exchange.model).spec.capabilities:
        exchange.body["think"] = False
    return await chat_with(exchange, voice)


def _native_chat(body: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"temperature": body.get("temperature", 1.0), "top_p": body.get("top_p", 1.0)}
    options |= {native: body[name] for name, native in _SAMPLING.items() if body.get(name) is not None}
    if (stop := body.get("stop")) is not None:
        options["stop"] = [stop] if isinstance(stop, str) else stop
    native: dict[str, Any] = {
        "model": body.get("model"),
        "messages": [_native_message(message) for message in body["messages"]],
        "options": options,
        "format": _native_format(body.get("response_format")),
        "tools": body.get("tools"),
        "logprobs": body.get("logprobs"),
        "top_logprobs": body.get("top_logprobs"),
    }
    effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    if effort is not None:
        native["think"] = _EFFORT.get(effort, effort)
    return native


def _native_format(wanted: Any) -> Any:
    kind = (wanted or {}).get("type")
    if kind == "json_object":
        return "json"
    return (wanted.get("json_schema") or {}).get("schema") if kind == "json_schema" else None


def _native_message(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    native: dict[str, Any] = {key: message.get(key) for key in ("role", "content", "tool_call_id")}
    if isinstance(content, list):
        native["content"] = "\n".join(part.get("text", "") for part in content if part.get("type") == "text")
        native["images"] = [_image(part) for part in content if part.get("type") == "image_url"]
    if calls := message.get("tool_calls"):
        native["tool_calls"] = [_native_call(call) for call in calls]
    return native


def _native_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except ValueError:
        raise Refusal(400, "invalid tool call arguments") from None
    return {"id": call.get("id"), "function": {"name": function.get("name"), "arguments": arguments}}


def _image(part: Mapping[str, Any]) -> str:
    where = part.get("image_url") or ""
    url = where.get("url", "") if isinstance(where, Mapping) else str(where)
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:"):
        raise Refusal(400, "invalid image input")
    return data


async def embeddings(exchange: Exchange) -> web.StreamResponse:
    body = exchange.body
    texts = body.get("input")
    if texts in (None, [], ""):
        raise Refusal(400, "invalid input")
    texts = [texts] if isinstance(texts, str) else texts
    exchange.body = {"model": body.get("model") or ""}
    vectors, metrics = await embed_texts(exchange, texts, body.get("dimensions") or 0)
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "embedding": _packed(vector) if packed else vector, "index": index}
        for index, vector in enumerate(vectors)
    ]
    tokens = metrics.get("prompt_eval_count", 0)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return exchange.json({"object": "list", "data": data, "model": exchange.model, "usage": usage})


def _packed(vector: list[float]) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode()


async def models(exchange: Exchange) -> web.StreamResponse:
    installed_models = exchange.node.registry.newest_first()
    data = [_listed(entry.name.display, entry.modified_ns, entry.name.namespace) for entry in installed_models]
    return exchange.json({"object": "list", "data": data or None})


async def model(exchange: Exchange) -> web.StreamResponse:
    name = exchange.request.match_info["model"]
    found = exchange.node.registry.find(name)
    if found is None:
        raise Refusal(404, f"model '{name}' not found")
    return exchange.json(_listed(name, found.modified_ns, found.name.namespace))


def _listed(name: str, modified_ns: int, owner: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": modified_ns // 1_000_000_000, "owned_by": owner}

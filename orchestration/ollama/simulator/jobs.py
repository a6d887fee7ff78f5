"""From a request body to a job: names, capabilities, options, and a conversation that fits the context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .answers import Question, check_format
from .exchange import Exchange
from .names import ModelName, without_source
from .options import merge_options, runner_options
from .refusal import Refusal, runner_refusal
from .registry import InstalledModel
from .runner import Runner
from .scheduler import Demand
from .text import count_tokens
from .voices import Voice

CLOUD_DISABLED = "ollama cloud is disabled: remote model is unavailable"
_TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten the prompt, adjust the"
    " context length in settings, or use a model with a longer context length"
)
_IMAGE_TOKENS = 256
_TEMPLATE_TOKENS = 6


@dataclass(slots=True)
class Job:
    """A request that was understood and may run, once a runner is there."""

    model: InstalledModel
    demand: Demand
    options: Mapping[str, Any]
    voice: Voice
    streams: bool
    think: bool | str
    messages: list[dict[str, Any]] = field(default_factory=list)
    extra_tokens: int = 0
    tools: Sequence[Mapping[str, Any]] = ()
    format: Any = None
    shift: bool = True
    truncate: bool = True
    logprobs: bool = False
    top_logprobs: int = 0
    raw: bool = False
    native: bool = False

    def question(self, runner: Runner) -> Question:
        """What the runner reads; refuses what it cannot."""
        check_format(self.format)
        self._check_images(runner)
        messages, tokens = self._fitting(runner.options.num_ctx)
        return Question(
            model=self.model.spec,
            prompt=messages[-1].get("content", "") if messages else "",
            text=_text(messages),
            options=self.options,
            num_ctx=runner.options.num_ctx,
            prompt_tokens=tokens,
            format=self.format,
            think=self.think,
            shift=self.shift,
            messages=messages,
            tools=self.tools,
        )

    def _check_images(self, _runner: Runner) -> None:
        if "vision" in self.model.spec.capabilities or not any(message.get("images") for message in self.messages):
            return
        if self.native:
            hint = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
            raise runner_refusal(500, hint, "server_error")
        refused = "Multimodal data provided, but model does not support multimodal requests."
        raise runner_refusal(400, refused, "invalid_request_error")

    def _tokens(self, messages: Sequence[Mapping[str, Any]]) -> int:
        return self.extra_tokens + sum(
            count_tokens(message.get("content", ""))
            + _TEMPLATE_TOKENS
            + _IMAGE_TOKENS * len(message.get("images") or ())
            for message in messages
        )

    def _fitting(self, num_ctx: int) -> tuple[list[dict[str, Any]], int]:
        """Drops the oldest messages, keeping system messages and the last one; then, where allowed, the middle."""
        messages = list(self.messages)
        tokens = self._tokens(messages)
        while self.truncate and tokens > num_ctx:
            oldest = next((message for message in messages[:-1] if message.get("role") != "system"), None)
            if oldest is None:
                break
            messages.remove(oldest)
            tokens = self._tokens(messages)
        if tokens <= num_ctx:
            return messages, tokens
        return messages, self._shifted(tokens, num_ctx)

    def _shifted(self, tokens: int, num_ctx: int) -> int:
        if not self.truncate or self.native:
            raise runner_refusal(
                400,
                f"request ({tokens} tokens) exceeds the available context size ({num_ctx} tokens), try increasing it",
                "exceed_context_size_error",
                n_prompt_tokens=tokens,
                n_ctx=num_ctx,
            )
        if not self.shift:
            raise Refusal(400, _TOO_LONG, in_stream=True)
        kept = min(num_ctx, self.options.get("num_keep", 4))
        return int(kept + (num_ctx - kept) // 2)


def _text(messages: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(f"{message.get('role', '')}: {message.get('content', '')}" for message in messages)


def installed(exchange: Exchange, text: str) -> InstalledModel:
    """The model of that name; the order of refusals is that of the server."""
    name, source = without_source(text)
    if ModelName.parse(name) is None:
        raise Refusal(400, "invalid model name")
    model = exchange.node.registry.find(name)
    if source == "cloud" and model is None:
        raise Refusal(403, CLOUD_DISABLED)
    if model is None:
        raise Refusal(404, f"model '{text}' not found")
    return model


def check_top_logprobs(body: Mapping[str, Any]) -> None:
    if not 0 <= body.get("top_logprobs", 0) <= 20:
        raise Refusal(400, "top_logprobs must be between 0 and 20")


def settled_think(body: Mapping[str, Any], model: InstalledModel, sent_name: str) -> bool | str:
    can_think = "thinking" in model.spec.capabilities
    think: bool | str = body.get("think", can_think)
    if think and not can_think:
        raise Refusal(400, f'"{sent_name}" does not support thinking')
    return think


def check_capability(model: InstalledModel, capability: str) -> None:
    if capability not in model.spec.capabilities:
        raise Refusal(400, f"{model.name.full} does not support {capability}")


def demand_of(exchange: Exchange, model: InstalledModel, body: Mapping[str, Any]) -> tuple[Demand, dict[str, Any]]:
    """What must be loaded for this request, and all its options."""
    options = merge_options(model.parameters, body.get("options") or {})
    runner = runner_options(options, model.spec, exchange.node.spec, shift=body.get("shift", True))
    exchange.record.options = dict(body.get("options") or {})
    exchange.record.num_ctx = runner.num_ctx
    return Demand(model, runner, body.get("keep_alive")), options


def make_job(exchange: Exchange, model: InstalledModel, voice: Voice, think: bool | str) -> Job:
    body = exchange.body
    demand, options = demand_of(exchange, model, body)
    return Job(
        model=model,
        demand=demand,
        options=options,
        voice=voice,
        streams=exchange.streams,
        think=think,
        format=body.get("format"),
        shift=body.get("shift", True),
        truncate=body.get("truncate", True),
        logprobs=body.get("logprobs", False),
        top_logprobs=body.get("top_logprobs", 0),
    )

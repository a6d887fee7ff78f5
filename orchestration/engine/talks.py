"""One attempt's talk with its node: the calls that were made, what came of them, and what they took."""

import dataclasses
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from orchestration.engine import requests
from orchestration.engine.feeds import Feed
from orchestration.ollama import wire
from orchestration.ollama.client import OllamaClient
from orchestration.policy.storing import storable
from orchestration.services.attempts import AttemptResult
from orchestration.services.work import AttemptWork


class Talk:
    """``work`` may be changed before the first call. ``spoken``: the feed with the words that count."""

    __slots__ = ("calls", "client", "feed", "from_cache", "metrics", "sent", "spoken", "work")

    client: OllamaClient
    """Given before the first call."""

    def __init__(self, work: AttemptWork, feed: Feed) -> None:
        self.work = work
        self.feed = feed
        self.spoken = feed
        self.sent: dict[str, Any] = {}
        self.calls = 0
        self.from_cache = 0
        self.metrics: wire.Metrics | None = None

    @property
    def output(self) -> str:
        return storable(str(self.spoken.text)) or storable(str(self.feed.text))

    @property
    def thinking(self) -> str:
        return storable(str(self.spoken.thinking))

    @property
    def request(self) -> dict[str, Any] | None:
        """As people read it later."""
        if not self.sent:
            return None
        return requests.record(self.work, self.sent, calls=self.calls, from_cache=self.from_cache)

    @property
    def origins(self) -> Mapping[str, str] | None:
        return self.work.origins if self.sent else None

    def took(self, metrics: wire.Metrics) -> None:
        """What one more call took."""
        self.metrics = metrics if self.metrics is None else self.metrics + metrics

    def call(self, sent: dict[str, Any]) -> AsyncGenerator[wire.Chunk, None]:
        """Of the kind that the arguments are for."""
        self.calls += 1
        call = self.client.chat if "messages" in sent else self.client.generate
        return call(**sent)

    async def hear(self, sent: dict[str, Any]) -> AttemptResult:
        """The answer to the first call, which those who watch read as it comes."""
        self.sent = sent
        feed = self.feed
        chunk: wire.Chunk | None = None
        async with aclosing(self.call(sent)) as chunks:
            async for chunk in chunks:
                feed.add(chunk)
        return self._heard(chunk)

    async def hear_again(self, sent: dict[str, Any]) -> AttemptResult:
        """The answer that takes the place of the one before, once it is whole."""
        again = self.spoken = self.feed.beside()
        chunk: wire.Chunk | None = None
        async with aclosing(self.call(sent)) as chunks:
            async for chunk in chunks:
                again.add(chunk)
                self.feed.count(chunk)
        return self._heard(chunk)

    def _heard(self, last: wire.Chunk | None) -> AttemptResult:
        self.took(measured(last, self.spoken))
        return AttemptResult(
            output=storable(str(self.spoken.text)),
            thinking=storable(str(self.spoken.thinking)),
            tool_calls=self.spoken.calls,
            metrics=self.metrics or wire.parse_metrics({}),
            first_token_at=self.feed.first_token_at,
            done_reason=last.done_reason if last else None,
            request=self.request,
            origins=self.origins,
        )


def measured(last: wire.Chunk | None, feed: Feed) -> wire.Metrics:
    """Ollama's own account; what it leaves out is filled from what was seen."""
    metrics = last.metrics if last is not None and last.metrics else wire.parse_metrics({})
    if metrics.output_tokens or not feed.tokens or feed.first_at is None:
        return metrics
    decode = metrics.decode or timedelta(seconds=time.monotonic() - feed.first_at)
    return dataclasses.replace(metrics, output_tokens=feed.tokens, decode=decode)

"""Runs a job: lease a runner, wait for a slot, read the prompt, hand out tokens as the clock makes them."""

import asyncio
import time
from typing import Any

from aiohttp import web

from .answers import SILENT, Answer, Piece, Question, answer_to
from .decoder import Sequence
from .exchange import Exchange
from .faults import DURING, Fault
from .jobs import Job
from .refusal import Refusal
from .runner import Runner, Slot
from .scheduler import CRASHED
from .voices import Ending, Said, logprobs_of

_VOCABULARY = 120_000


async def load_only(exchange: Exchange, job: Job) -> web.StreamResponse:
    """An empty prompt asks for nothing but the model."""
    async with exchange.node.scheduler.lease(job.demand, exchange.record):
        return exchange.json(job.voice.whole(Said(), Ending("load")))


def unload(exchange: Exchange, job_voice: Any, weights: str) -> web.Response:
    exchange.node.scheduler.unload_when_idle(weights)
    return exchange.json(job_voice.whole(Said(), Ending("unload")))


async def run(exchange: Exchange, job: Job) -> web.StreamResponse:
    async with exchange.node.scheduler.lease(job.demand, exchange.record) as runner:
        load_ns = time.perf_counter_ns() - exchange.started_ns
        question = job.question(runner)
        async with runner.slot(question.text) as slot:
            if not runner.alive:
                raise Refusal(500, CRASHED, in_stream=True)
            delivery = _Delivery(exchange, job, question, runner, load_ns)
            try:
                return await delivery.through(slot)
            except Refusal as refusal:
                return await delivery.failed(refusal)


class _Delivery:
    """Brings one answer to the client while the clock of the node produces it."""

    def __init__(self, exchange: Exchange, job: Job, question: Question, runner: Runner, load_ns: int) -> None:
        self._exchange = exchange
        self._job = job
        self._question = question
        self._runner = runner
        self._load_ns = load_ns
        self._answer: Answer = answer_to(question, exchange.node.spec)
        self._fault = exchange.node.faults.take(DURING, job.model.name.display, exchange.request.path)
        self._said = Said()
        self._seen = 0
        self._slot_ns = 0

    async def through(self, slot: Slot) -> web.StreamResponse:
        question, record = self._question, self._exchange.record
        shared = slot.shared_with(question.text) / max(1, len(question.text))
        fresh = max(1.0, question.prompt_tokens * (1.0 - shared))
        slot.text = question.text
        record.prompt_tokens = question.prompt_tokens
        record.phase = "prefill"
        sequence = Sequence(self._runner, fresh, len(self._answer.pieces))
        self._slot_ns = time.perf_counter_ns()
        decoder = self._exchange.node.decoder
        decoder.add(sequence)
        try:
            await sequence.prefilled()
            record.phase = "decode"
            return await self._decode(sequence, slot)
        finally:
            decoder.drop(sequence)

    async def _decode(self, sequence: Sequence, slot: Slot) -> web.StreamResponse:
        pieces = self._answer.pieces
        total = len(pieces)
        while True:
            fault = self._fault
            if fault is not None and self._seen >= fault.after_tokens:
                self._fault = None
                if await self._struck_by(fault):
                    return await self._broken_off()
            if self._seen >= total:
                break
            stop = min(total, self._fault.after_tokens) if self._fault is not None else total
            wanted = min(stop, self._seen + self._exchange.node.spec.chunk_tokens)
            ready = min(stop, await sequence.beyond(wanted - 1))
            await self._hand_out(ready)
        slot.text += "".join(text for _, text in pieces)
        return await self._finish(sequence)

    async def _hand_out(self, until: int) -> None:
        size = self._exchange.node.spec.chunk_tokens
        pieces = self._answer.pieces
        while self._seen < until:
            group = _same_kind(pieces[self._seen : min(until, self._seen + size)])
            self._seen += len(group)
            self._exchange.record.tokens = self._seen
            kind = group[0][0]
            if kind == SILENT:
                continue
            text = group[0][1] if len(group) == 1 else "".join(piece[1] for piece in group)
            await self._say(kind, text)

    async def _say(self, kind: str, text: str) -> None:
        job = self._job
        logprobs = logprobs_of(text, job.top_logprobs) if job.logprobs else None
        if job.streams:
            await self._exchange.send(job.voice.piece(kind, text, logprobs), job.voice.content_type)
        else:
            self._said.add(kind, text, logprobs)

    async def _finish(self, sequence: Sequence) -> web.StreamResponse:
        job, exchange, calls = self._job, self._exchange, self._answer.tool_calls
        ending = Ending(self._answer.done_reason, self._metrics(sequence), context=self._context())
        if not job.streams:
            self._said.tool_calls = calls
            return exchange.json(job.voice.whole(self._said, ending))
        if calls and job.model.spec.tool_shape == "rendered":
            await exchange.send(job.voice.calls(calls), job.voice.content_type)
        else:
            ending.tool_calls = calls
        await exchange.send(job.voice.last(ending), job.voice.content_type)
        return await exchange.end()

    def _metrics(self, sequence: Sequence) -> dict[str, int]:
        ended = sequence.ended_ns or time.perf_counter_ns()
        return {
            "total_duration": time.perf_counter_ns() - self._exchange.started_ns,
            "load_duration": max(1, self._load_ns),
            "prompt_eval_count": self._question.prompt_tokens,
            "prompt_eval_duration": max(1, sequence.prefilled_ns - self._slot_ns),
            "eval_count": len(self._answer.pieces),
            "eval_duration": max(1, ended - sequence.prefilled_ns) if self._answer.pieces else 0,
        }

    def _context(self) -> list[int]:
        if self._job.raw:
            return []
        count = self._question.prompt_tokens + len(self._answer.pieces)
        return [(number * 7919 + 128) % _VOCABULARY for number in range(count)]

    async def _broken_off(self) -> web.StreamResponse:
        """The stream just ends; in one piece that is an answer that is not done."""
        if self._job.streams:
            return await self._exchange.end(self._job.voice.content_type)
        return self._exchange.json(self._job.voice.whole(self._said, None))

    async def _struck_by(self, fault: Fault) -> bool:
        """True when nothing more will be said."""
        self._exchange.record.outcome = f"fault:{fault.kind}"
        match fault.kind:
            case "truncate":
                return True
            case "error_line":
                message = fault.message or "an error was encountered while running the model: unexpected EOF"
                raise Refusal(500, message, in_stream=True)
            case "runner_crash":
                self._exchange.node.scheduler.crash(self._runner)
                raise Refusal(500, fault.message or CRASHED, in_stream=True)
            case "drop":
                await self._exchange.abort()
            case "stall":
                await _silence(fault.seconds)
            case "garbage":
                await self._exchange.send(b'{"model":"\xff\xfe","resp\n', self._job.voice.content_type)
        return False

    async def failed(self, refusal: Refusal) -> web.StreamResponse:
        exchange = self._exchange
        if not exchange.has_begun:
            raise refusal
        exchange.record.outcome = exchange.record.outcome or "error_line"
        await exchange.send(self._job.voice.failure(refusal.message))
        return await exchange.end()


async def _silence(seconds: float | None) -> None:
    if seconds is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(seconds)


def _same_kind(pieces: list[Piece]) -> list[Piece]:
    kind = pieces[0][0]
    for place, piece in enumerate(pieces):
        if piece[0] != kind:
            return pieces[:place]
    return pieces

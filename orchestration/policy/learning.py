"""What an ended call teaches: how fast its place is, how long calls take there, how many may run at once, how much work
its kind is. Plain numbers, so that the product and the laboratory learn alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from orchestration.policy.estimates import blend, work_tokens

LOAD_WEIGHT = 0.5
"""Of a new load in the mean: they are rare, and a file that was read just now loads much faster."""
WAITED_INSIDE = 1.0
"""A call that waited longer than this many seconds inside Ollama found more requests there than slots."""
WAITED_FOR_LOAD = 1.0
"""One that took longer than this many seconds until it had its model waited for a load, not for a slot."""
SHORT = 8
"""Fewer tokens than this say little about the speed of writing."""
CLEAN_RUNS = 50
"""So many calls in a row that did not wait inside give a lost slot back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that ended well. ``slowdown``: how much others on the node slowed it. ``inside_seconds``: its wait for a
    slot inside Ollama, None where the server does not tell. ``run_seconds``: from start to end."""

    granted_at: datetime
    ended_at: datetime
    run_seconds: float
    slowdown: float = 1.0
    prompt_tokens: int = 0
    output_tokens: int = 0
    load_seconds: float = 0.0
    decode_seconds: float = 0.0
    inside_seconds: float | None = None

    @property
    def work(self) -> float:
        return work_tokens(self.output_tokens, self.prompt_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of a variant on a node. ``slots``: None as long as they are as many as the node says.

    ``slots_at``: when they last changed. Calls granted before that tell of the number before.
    """

    tokens_per_second: float | None = None
    run_seconds: float | None = None
    slots: int | None = None
    slots_at: datetime | None = None
    clean_runs: int = 0
    last_used_at: datetime | None = None


def stream_speed(tokens: float, seconds: float, slowdown: float) -> float | None:
    """Tokens a second that a single stream alone on the node would have had. None: nothing was measured."""
    return tokens / seconds * slowdown if tokens > 0 and seconds > 0 else None


def load_mean(mean: float | None, seconds: float) -> float:
    """The mean seconds of a load with one more."""
    return blend(mean, seconds, LOAD_WEIGHT)


def learn(known: Known, calls: Iterable[Call], *, slots: int) -> Known:
    """What is known after these calls, given in the order of their ends. ``slots``: as many as the node says."""
    for call in calls:
        speed = _speed(call)
        known = replace(
            known,
            tokens_per_second=known.tokens_per_second if speed is None else blend(known.tokens_per_second, speed),
            run_seconds=blend(known.run_seconds, call.run_seconds),
            last_used_at=max(known.last_used_at or call.ended_at, call.ended_at),
        )
        known = _slots(known, call, slots)
    return known


def _speed(call: Call) -> float | None:
    """By the server's own account. Of a call that writes nothing, such as embedding, it tells the whole only."""
    if call.output_tokens:
        if call.output_tokens < SHORT:
            return None
        return stream_speed(call.output_tokens, call.decode_seconds, call.slowdown)
    return stream_speed(call.work, call.run_seconds - call.load_seconds, call.slowdown)


def _slots(known: Known, call: Call, most: int) -> Known:
    """One slot less for a call that waited inside although it was within the slots, one more after many that did not.

    A burst of calls that all waited takes one slot and not many: they were granted before it was taken.
    """
    outdated = known.slots_at is not None and call.granted_at < known.slots_at
    if call.inside_seconds is None or call.load_seconds > WAITED_FOR_LOAD or outdated:
        return known
    now = min(known.slots or most, most)
    if call.inside_seconds > WAITED_INSIDE:
        fewer = max(1, now - 1)
        return replace(known, slots=fewer if fewer < most else None, slots_at=call.ended_at, clean_runs=0)
    if now == most:
        return replace(known, slots=None, clean_runs=0)
    if known.clean_runs + 1 < CLEAN_RUNS:
        return replace(known, clean_runs=known.clean_runs + 1)
    return replace(known, slots=now + 1 if now + 1 < most else None, slots_at=call.ended_at, clean_runs=0)


def received_in_part(seconds: float, speed: float, slowdown: float) -> float:
    """The tokens of a call that was broken off after so many seconds of writing."""
    return max(0.0, seconds) * speed / slowdown

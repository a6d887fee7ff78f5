"""Whether, when and where a failed attempt is tried again, and that in words."""

from dataclasses import dataclass
from datetime import timedelta

from orchestration.errors import DroverError
from orchestration.policy.failures import Remedy, remedy, usually_tried_again

_MOST_GROWTHS = 64
"""More would overflow; the longest pause is reached long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """``max_tries`` counts the first one. The delay grows with each try and is spread by up to half of itself.

    ``on``: the error codes that are tried again; empty: what usually is.
    """

    max_tries: int
    first_delay: timedelta = timedelta(seconds=1)
    growth: float = 2.0
    longest_delay: timedelta = timedelta(minutes=5)
    on: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """``delay`` is None when it is not tried again. ``elsewhere``: the node is avoided where there is a choice."""

    delay: timedelta | None
    elsewhere: bool = False
    words: str


def judge(policy: RetryPolicy, error: DroverError, *, tries: int, others: bool, spread: float) -> Verdict:
    """``tries``: how many have been made, this one included. ``others``: whether other nodes have the model.

    ``spread``: a random number from 0 to 1, so that tasks that failed together do not come back together.
    """
    refused = _why_not(policy, error, tries, others)
    if refused:
        return Verdict(delay=None, words=f"Not tried again: {refused}")
    delay = delay_of(policy, tries=tries, spread=spread)
    elsewhere = others and remedy(error) in (Remedy.RATHER_ELSEWHERE, Remedy.ONLY_ELSEWHERE)
    where = ", on another node where one is free" if elsewhere else ""
    return Verdict(delay=delay, elsewhere=elsewhere, words=f"Tried again after {_seconds(delay)}{where}")


def _why_not(policy: RetryPolicy, error: DroverError, tries: int, others: bool) -> str:
    """Empty when it is tried again."""
    helps = remedy(error)
    if helps is Remedy.NONE:
        return "it would end the same way"
    if helps is Remedy.ONLY_ELSEWHERE and not others:
        return "no other node has the model"
    if policy.on and error.code not in policy.on:
        return f"only {', '.join(sorted(policy.on))} are, as its agent or model says"
    if not policy.on and not usually_tried_again(error):
        return f"{error.code} is not, unless its agent or model says so"
    if tries >= policy.max_tries:
        return f"this was try {tries} of {policy.max_tries}"
    return ""


def delay_of(policy: RetryPolicy, *, tries: int, spread: float) -> timedelta:
    delay = grown(policy.first_delay, policy.growth, times=tries - 1, longest=policy.longest_delay)
    return delay * (1 + spread / 2)


def grown(first: timedelta, growth: float, *, times: int, longest: timedelta) -> timedelta:
    """A pause that has become ``growth`` times as long so many times, up to the longest."""
    seconds = first.total_seconds() * growth ** min(times, _MOST_GROWTHS)
    return timedelta(seconds=min(seconds, longest.total_seconds()))


def _seconds(delay: timedelta) -> str:
    seconds = delay.total_seconds()
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"

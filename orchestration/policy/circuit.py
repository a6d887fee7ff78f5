"""The circuit of a node: it opens after several faults in a row, lets one run at a time try, and closes with a success.

Told apart by two numbers that are kept: how many faults there were in a row, and until when nothing is sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from orchestration.policy.retries import grown


class CircuitState(StrEnum):
    CLOSED = "closed"  # takes work
    OPEN = "open"  # takes nothing new for a while
    HALF_OPEN = "half_open"  # takes one run at a time, to see whether the fault is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitRules:
    """``faults`` in a row open it, for ``first_pause``; each further fault makes the pause ``growth`` times as long."""

    faults: int = 5
    first_pause: timedelta = timedelta(seconds=10)
    growth: float = 2.0
    longest_pause: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """``until`` is kept while it is half open; None means closed. ``reason``: the words of the last fault."""

    faults: int = 0
    until: datetime | None = None
    reason: str = ""

    def state(self, now: datetime) -> CircuitState:
        if self.until is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if now < self.until else CircuitState.HALF_OPEN

    def words(self, now: datetime) -> str:
        """For people; empty when it is closed."""
        if self.until is None:
            return ""
        open_still = now < self.until
        how = (
            f"circuit open until {self.until.astimezone(UTC):%H:%M:%S} UTC"
            if open_still
            else "circuit half open, one run at a time,"
        )
        times = "1 failure" if self.faults == 1 else f"{self.faults} failures in a row"
        return f"{how} after {times}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended as far as its node is concerned: well, or badly and by the node's fault."""

    well: bool
    granted_at: datetime
    ended_at: datetime
    words: str = ""


def fold(circuit: Circuit, outcomes: Iterable[Outcome], rules: CircuitRules) -> Circuit:
    """The circuit after these outcomes, given in the order of their ends."""
    for outcome in outcomes:
        circuit = _after(circuit, outcome, rules)
    return circuit


def _after(circuit: Circuit, outcome: Outcome, rules: CircuitRules) -> Circuit:
    if outcome.well:
        return Circuit()
    if circuit.until is not None and outcome.granted_at < circuit.until:
        return circuit  # it was on its way when the circuit opened, and says nothing new
    faults = circuit.faults + 1
    opens = faults >= rules.faults
    until = outcome.ended_at + pause(rules, faults) if opens else None
    return Circuit(faults=faults, until=until, reason=outcome.words)


def pause(rules: CircuitRules, faults: int) -> timedelta:
    times = max(0, faults - rules.faults)
    return grown(rules.first_pause, rules.growth, times=times, longest=rules.longest_pause)

"""A task's attempts as its page shows them: how each ended, whose fault it was, when and where the next one came."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dashboard.phases import took
from dashboard.templatetags.numbers import moment, seconds
from orchestration.payloads import AttemptPayload

STATES = {"granted": "starting", "running": "generating", "lost": "retrying"}
OUTCOMES = {
    "preempted": "made way",
    "given_back": "given back",
    "node_lost": "node lost",
    "lease_lost": "worker lost",
    "never_started": "not taken up",
}
"""What people read instead of "lost"."""


def tries(attempts: Sequence[AttemptPayload], *, now: datetime) -> list[dict[str, Any]]:
    """In the order given. ``next``: what came after it, in words; empty for the last one."""
    by_number = {attempt["number"]: attempt for attempt in attempts}
    return [
        {
            **attempt,
            "took": took(attempt, now=now),
            "state": STATES.get(attempt["status"], attempt["status"]),
            "outcome": OUTCOMES.get(attempt["error_code"] or "", attempt["status"]),
            "failed_with": attempt["error_code"] if attempt["status"] == "failed" else "",
            "next": _next(attempt, by_number.get(attempt["number"] + 1)),
        }
        for attempt in attempts
    ]


def _next(attempt: AttemptPayload, following: AttemptPayload | None) -> str:
    ended = moment(attempt["ended_at"])
    granted = moment(following["granted_at"]) if following else None
    if following is None or ended is None or granted is None:
        return ""
    where = "on the same node" if following["node"] == attempt["node"] else f"on {following['node']}"
    return f"Try {following['number']} came {seconds((granted - ended).total_seconds())} later {where}"

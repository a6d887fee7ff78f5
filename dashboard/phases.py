"""Where a task's time went: queued, load, prefill, decode, as parts of one bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard.templatetags.numbers import moment, number, rate
from orchestration.payloads import AttemptPayload, Metrics, TaskPayload

TITLES = {"queued": "Queued", "load": "Load", "prefill": "Prefill", "decode": "Decode"}
STATES = {"queued": "waiting", "load": "loading", "prefill": "prefill", "decode": "generating"}
PHASE_PARTS = {"loading": "load", "prefill": "prefill", "generating": "decode"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One piece of the bar. ``seconds`` is None where it is not known; start and width are percents."""

    name: str
    seconds: float | None
    note: str
    start: str
    width: str

    @property
    def title(self) -> str:
        return TITLES[self.name]

    @property
    def state(self) -> str:
        return STATES[self.name]


@dataclass(frozen=True, slots=True)
class Phases:
    parts: list[Part]
    label: str


def phases(task: TaskPayload, *, waited_since: datetime, now: datetime) -> Phases:
    """Measured ones for what completed; else what the times of the last attempt tell."""
    seconds = _measured(task["metrics"])
    if not task["completed_at"] or all(value is None for value in seconds.values()):
        seconds = _by_the_clock(task, waited_since, moment(task["completed_at"]) or now)
    total = sum(value or 0 for value in seconds.values()) or 1
    parts, start = [], 0.0
    for name, value in seconds.items():
        width = 100 * (value or 0) / total
        note = _note(name, task)
        parts.append(Part(name=name, seconds=value, note=note, start=f"{start:.2f}", width=f"{width:.2f}"))
        start += width
    label = ", ".join(f"{part.title.lower()} {part.seconds:.1f} s" for part in parts if part.seconds is not None)
    return Phases(parts, label or "nothing measured")


def _measured(metrics: Metrics) -> dict[str, float | None]:
    return {name: metrics[f"{name}_seconds"] for name in TITLES}  # type: ignore[literal-required]


def _by_the_clock(task: TaskPayload, waited_since: datetime, until: datetime) -> dict[str, float | None]:
    """Before the first token nobody can tell load from prefill: that time goes to the phase the task is in."""
    seconds: dict[str, float | None] = dict.fromkeys(TITLES)
    attempt = task["attempt_list"][0] if task["attempt_list"] else None
    waits = task["status"] == "pending"
    started = moment(attempt["started_at"]) if attempt and not waits else None
    first = moment(attempt["first_token_at"]) if attempt and started else None
    seconds["queued"] = max(0.0, ((started or until) - waited_since).total_seconds())
    if started:
        part = PHASE_PARTS.get(task["phase"], "load")
        seconds["prefill" if first else part] = ((first or until) - started).total_seconds()
    if first:
        seconds["decode"] = (until - first).total_seconds()
    return seconds


def _note(name: str, task: TaskPayload) -> str:
    metrics = task["metrics"]
    match name:
        case "prefill" if metrics["prompt_tokens"] is not None:
            speed = _speed(metrics["prompt_tokens"], metrics["prefill_seconds"])
            return f"{number(metrics['prompt_tokens'])} tokens{speed}"
        case "decode" if metrics["output_tokens"] is not None:
            speed = _speed(metrics["output_tokens"], metrics["decode_seconds"])
            return f"{number(metrics['output_tokens'])} tokens{speed}"
    return ""


def _speed(tokens: int, seconds: float | None) -> str:
    return f" · {rate(tokens / seconds)}/s" if seconds else ""


def took(attempt: AttemptPayload, *, now: datetime) -> float | None:
    """How long an attempt lasted, or has lasted so far."""
    started = moment(attempt["started_at"])
    return ((moment(attempt["ended_at"]) or now) - started).total_seconds() if started else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the first screenful of a failed task says."""

    cause: str
    message: str
    tried: str
    fix: str


_DIAGNOSES: dict[str, tuple[str, str]] = {
    "unreachable": (
        "The node could not be reached",
        "Check it under Models & nodes: the check names the step that fails and the command that mends it.",
    ),
    "refused": (
        "The node refused the request",
        "Read what it answered: a missing model is pulled with “ollama pull”, an unknown option is left out.",
    ),
    "stream_failed": (
        "The node gave up in the middle of the answer",
        "Look at its log (journalctl -u ollama); out of memory is the usual cause: use a smaller context or model.",
    ),
    "stream_truncated": (
        "The answer broke off",
        "The server or a proxy in between was restarted. Retry; if it happens again, look at the server's log.",
    ),
    "stream_stalled": (
        "The node went silent",
        "It may be overloaded: lower its slots per model, or raise DROVER_BETWEEN_OBJECTS_TIMEOUT_SECONDS.",
    ),
    "malformed_answer": (
        "What answered is not Ollama",
        "Check the node's address and any proxy in between.",
    ),
    "timeout": (
        "It took longer than it may",
        "Raise the time-out of the task, the agent or the model, or ask for fewer tokens.",
    ),
    "model_unavailable": ("No node has the model", "Pull it on a node, or choose another model with Edit as new."),
    "dependency_failed": ("A step before it did not complete", "Look at that step first; then retry this one."),
    "model_not_published": (
        "The library has no model of that name",
        "Check the name and the tag; the catalogue lists what can be pulled.",
    ),
    "internal_error": (
        "Something went wrong inside Drover",
        "Retry it. If it fails again, the log of the worker says why.",
    ),
}
_UNKNOWN = ("It failed", "Read what came back; Edit as new lets you change the request and try again.")


def verdict(task: TaskPayload, attempts: Sequence[AttemptPayload]) -> Verdict | None:
    """Cause in words, what was tried, and the likely fix; None for a task that did not fail."""
    if task["status"] != "failed":
        return None
    cause, fix = _DIAGNOSES.get(task["error_code"] or "", _UNKNOWN)
    return Verdict(cause=cause, message=task["error"] or "", tried=_tried(attempts), fix=fix)


def _tried(attempts: Sequence[AttemptPayload]) -> str:
    if not attempts:
        return "It was never started."
    nodes = ", then ".join(attempt["node"] for attempt in reversed(attempts))
    times = "Once" if len(attempts) == 1 else f"{len(attempts)} times"
    return f"{times}, on {nodes}."

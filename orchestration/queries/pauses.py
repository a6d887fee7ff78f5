"""What is paused, by whom and since when."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.utils import timezone

from orchestration.models import Agent, Pause
from orchestration.payloads import PausePayload, stamp
from orchestration.policy.states import PauseKind

NOTE_IN_WORDS = 60

Paused = tuple[str, str]
"""Kind and key of a pause."""


def paused() -> list[PausePayload]:
    """All of them, by kind and key. Two queries at most."""
    rows = list(Pause.objects.all())
    agents = _agent_names(rows)
    return [_payload(row, agents) for row in rows]


def words() -> dict[Paused, str]:
    """Why what is paused does not start, by kind and key: ``Low priority paused by ana since 14:02 UTC``."""
    return {(row["kind"], row["key"]): row["words"] for row in paused()}


def paused_models() -> set[str]:
    return set(Pause.objects.filter(kind=PauseKind.MODEL).values_list("key", flat=True))


def _payload(row: Pause, agents: dict[str, str]) -> PausePayload:
    name = agents.get(row.key, f"no. {row.key}") if row.kind == PauseKind.AGENT else str(row)
    return PausePayload(
        kind=row.kind,
        key=row.key,
        name=name,
        words=_words(row, name),
        note=row.note,
        paused_by=row.paused_by_name,
        paused_at=stamp(row.paused_at),
    )


def _agent_names(rows: Iterable[Pause]) -> dict[str, str]:
    ids = [int(row.key) for row in rows if row.kind == PauseKind.AGENT]
    return {str(pk): name for pk, name in Agent.objects.filter(pk__in=ids).values_list("pk", "name")} if ids else {}


def _words(row: Pause, name: str) -> str:
    what = {PauseKind.AGENT: f"Agent {name}", PauseKind.PRIORITY: name.capitalize()}.get(PauseKind(row.kind), name)
    note = row.note if len(row.note) <= NOTE_IN_WORDS else f"{row.note[: NOTE_IN_WORDS - 1]}…"
    return f"{what} paused by {row.paused_by_name} since {_since(row.paused_at)}" + (f": {note}" if note else "")


def _since(at: datetime) -> str:
    at = at.astimezone(UTC)
    today = at.date() == timezone.now().astimezone(UTC).date()
    return f"{at:%H:%M} UTC" if today else f"{at:%-d %b %H:%M} UTC"

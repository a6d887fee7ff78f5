"""How long texts and tasks are kept: rules, when the daily clean-up is due, and what a clean-up removes, added up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta, tzinfo
from typing import Any

LONGEST_DAYS = 36_500
NEVER = -1
"""The hour of a daily clean-up that there is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """For one agent, or for every agent without a rule of its own where there is no ``agent_id``. None: for good."""

    agent_id: int | None = None
    agent: str = ""
    text_days: int | None = None
    task_days: int | None = None
    keep_collected: bool = True

    @property
    def removes(self) -> bool:
        return self.text_days is not None or self.task_days is not None


def rules_of(rows: Iterable[dict[str, Any]]) -> list[Rule]:
    """From what ``dataclasses.asdict`` has made of them."""
    names = {item.name for item in fields(Rule)}
    return [Rule(**{name: value for name, value in row.items() if name in names}) for row in rows]


def problem(text_days: int | None, task_days: int | None) -> tuple[str, str]:
    """The field that is wrong and why; empty when nothing is."""
    for name, days in (("text_days", text_days), ("task_days", task_days)):
        if days is not None and not 1 <= days <= LONGEST_DAYS:
            return name, f"Days are 1 to {LONGEST_DAYS:,}, or left out to keep them for good."
    if text_days is not None and task_days is not None and task_days < text_days:
        return "task_days", "A task goes with its text, so its days cannot be fewer than those of the text."
    return "", ""


def cutoff(as_of: datetime, days: int) -> datetime:
    """What ended at this moment or before has been kept for long enough."""
    return as_of - timedelta(days=days)


def last_due(now: datetime, hour: int, zone: tzinfo) -> datetime | None:
    """When the clock showed this hour last; None where it never counts."""
    if hour == NEVER:
        return None
    local = now.astimezone(zone)
    today = local.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)
    return today if today <= local else (today - timedelta(days=1)).replace(hour=hour)


def next_due(now: datetime, hour: int, zone: tzinfo) -> datetime | None:
    last = last_due(now, hour, zone)
    return None if last is None else last + timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """Of one agent. ``texts``: tasks that lose their texts and stay; ``tasks``: those that go; ``bytes``: of texts."""

    texts: int = 0
    tasks: int = 0
    bytes: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    def __add__(self, other: "Removed") -> "Removed":
        oldest = [at for at in (self.oldest, other.oldest) if at]
        newest = [at for at in (self.newest, other.newest) if at]
        return Removed(
            texts=self.texts + other.texts,
            tasks=self.tasks + other.tasks,
            bytes=self.bytes + other.bytes,
            oldest=min(oldest, default=None),
            newest=max(newest, default=None),
        )


@dataclass(slots=True)
class Removal:
    """By the name of the agent."""

    by_agent: dict[str, Removed] = field(default_factory=dict)

    def add(self, agent: str, removed: Removed) -> None:
        self.by_agent[agent] = self.by_agent.get(agent, Removed()) + removed

    def add_all(self, other: "Removal") -> None:
        for agent, removed in other.by_agent.items():
            self.add(agent, removed)

    @property
    def total(self) -> Removed:
        return sum(self.by_agent.values(), Removed())

    @property
    def count(self) -> int:
        """Tasks that are changed or gone."""
        return self.total.texts + self.total.tasks


def words(rule: Rule) -> str:
    """``texts after 30 days, tasks after 365 days``."""
    parts: Sequence[str] = [
        f"{noun} after {days:,} {'day' if days == 1 else 'days'}"
        for noun, days in (("texts", rule.text_days), ("tasks", rule.task_days))
        if days is not None
    ]
    return ", ".join(parts) or "everything for good"

"""Retention on the wire: rules, clean-ups done and planned, and the folder that answers are written into."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from orchestration.models import CleanUp, FolderSink, RetentionRule
from orchestration.payloads.base import iso, stamp
from orchestration.policy.retention import Removal, Removed, Rule, rules_of, words


class RulePayload(TypedDict):
    """``agent`` null: for every agent without a rule of its own. Days null: for good."""

    id: int
    agent_id: int | None
    agent: str | None
    text_days: int | None
    task_days: int | None
    keep_collected: bool
    words: str
    updated_at: str


class SinkPayload(TypedDict):
    """``problem``: why nothing is written just now; it is tried again by itself."""

    folder: str
    files: int
    written_at: str | None
    problem: str | None
    problem_since: str | None


class RetentionPayload(TypedDict):
    rules: list[RulePayload]
    next_cleanup_at: str | None
    sink: SinkPayload | None


class RemovedPayload(TypedDict):
    """``texts``: tasks that lose their texts and keep their numbers; ``tasks``: those that go as a whole."""

    texts: int
    tasks: int
    bytes: int
    oldest: str | None
    newest: str | None


class AgentRemoved(RemovedPayload):
    agent: str


class RuleInForce(TypedDict):
    agent: str | None
    text_days: int | None
    task_days: int | None
    keep_collected: bool


class PlanPayload(TypedDict):
    """A dry run. A clean-up with this ``as_of`` removes exactly this, unless something has changed meanwhile."""

    as_of: str
    rules: list[RuleInForce]
    total: RemovedPayload
    by_agent: list[AgentRemoved]


class CleanUpPayload(PlanPayload):
    """``status``: waiting, running, done or stopped; what it removed so far."""

    id: int
    status: str
    by: str
    scheduled: bool
    asked_at: str
    ended_at: str | None
    stopped_by: str | None
    expected: int | None


def rule(row: RetentionRule) -> RulePayload:
    agent = row.agent.name if row.agent else None
    return RulePayload(
        id=row.pk,
        agent_id=row.agent_id,
        agent=agent,
        text_days=row.text_days,
        task_days=row.task_days,
        keep_collected=row.keep_collected,
        words=words(Rule(text_days=row.text_days, task_days=row.task_days)),
        updated_at=stamp(row.updated_at),
    )


def plan(among: Sequence[Rule], as_of: datetime, removal: Removal) -> PlanPayload:
    return PlanPayload(
        as_of=stamp(as_of),
        rules=[_in_force(rule) for rule in among],
        total=_removed(removal.total),
        by_agent=_by_agent(removal),
    )


def clean_up(row: CleanUp) -> CleanUpPayload:
    found = plan(rules_of(row.rules), row.as_of, removal_of(row))
    return CleanUpPayload(
        **found,
        id=row.pk,
        status=_status(row),
        by=row.by_name,
        scheduled=row.scheduled,
        asked_at=stamp(row.at),
        ended_at=iso(row.ended_at),
        stopped_by=row.stopped_by_name or None,
        expected=row.counts.get("expected"),
    )


def removal_of(row: CleanUp) -> Removal:
    """What it removed so far."""
    return Removal({agent: _as_removed(counted) for agent, counted in row.counts.get("by_agent", {}).items()})


def _as_removed(counted: Mapping[str, Any]) -> Removed:
    oldest, newest = (datetime.fromisoformat(at) if (at := counted[name]) else None for name in ("oldest", "newest"))
    sums = {name: int(counted[name]) for name in ("texts", "tasks", "bytes")}
    return Removed(oldest=oldest, newest=newest, **sums)


def counts_of(removal: Removal) -> dict[str, Any]:
    """As it is kept."""
    return {agent: dict(_removed(removed)) for agent, removed in removal.by_agent.items()}


def _status(row: CleanUp) -> str:
    if row.ended_at is not None:
        return "stopped" if row.stopped_by_name else "done"
    return "running" if row.counts.get("by_agent") else "waiting"


def _in_force(rule: Rule) -> RuleInForce:
    return RuleInForce(
        agent=rule.agent or None,
        text_days=rule.text_days,
        task_days=rule.task_days,
        keep_collected=rule.keep_collected,
    )


def _removed(removed: Removed) -> RemovedPayload:
    return RemovedPayload(
        texts=removed.texts,
        tasks=removed.tasks,
        bytes=removed.bytes,
        oldest=iso(removed.oldest),
        newest=iso(removed.newest),
    )


def _by_agent(removal: Removal) -> list[AgentRemoved]:
    """Who loses most comes first."""
    rows = sorted(removal.by_agent.items(), key=lambda item: (-item[1].texts - item[1].tasks, item[0]))
    return [AgentRemoved(agent=agent, **_removed(removed)) for agent, removed in rows]


def sink(row: FolderSink, folder: str) -> SinkPayload:
    same = row.folder == folder
    return SinkPayload(
        folder=folder,
        files=row.files if same else 0,
        written_at=iso(row.written_at) if same else None,
        problem=(row.problem or None) if same else None,
        problem_since=iso(row.problem_since) if same else None,
    )

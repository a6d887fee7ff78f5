"""One node in all detail on the wire: when it was reachable, what runs, what failed, what could be better."""

from typing_extensions import TypedDict

from orchestration.models import Attempt
from orchestration.payloads.base import iso, owner_name, stamp
from orchestration.payloads.fleet import NodePayload
from orchestration.policy.node_hints import Hint
from orchestration.policy.timelines import Timeline
from orchestration.policy.versions import Spread


class HintPayload(TypedDict):
    """``weight``: warn or info. ``fix``: what mends it, often a command."""

    kind: str
    weight: str
    words: str
    fix: str


class SpanPayload(TypedDict):
    """``health``: healthy, unhealthy, or unknown while nobody asked. ``start`` and ``share``: parts of the range."""

    health: str
    reason: str
    since: str
    until: str
    start: float
    share: float


class TimelinePayload(TypedDict):
    """``reachable``: the part of the known time in which it answered; None where nothing is known."""

    reachable: float | None
    outages: int
    spans: list[SpanPayload]


class InFlightPayload(TypedDict):
    """A request that holds one of its slots."""

    task_id: int
    attempt_id: int
    number: int
    title: str
    model: str
    status: str
    agent: str
    owner: str | None
    since: str


class NodeFailurePayload(TypedDict):
    """``node_fault``: it counts against the node's circuit."""

    task_id: int
    attempt_id: int
    number: int
    model: str
    code: str
    error: str
    node_fault: bool
    at: str | None


class NodeReportPayload(TypedDict):
    node: NodePayload
    hints: list[HintPayload]
    timeline: TimelinePayload
    running: list[InFlightPayload]
    failures: list[NodeFailurePayload]


class LagPayload(TypedDict):
    node: str
    version: str
    lacks: list[str]
    differs: list[str]


class VersionsPayload(TypedDict):
    """``behind``: nodes that are older than the newest of the fleet, the oldest first."""

    oldest: str | None
    newest: str | None
    behind: list[LagPayload]


def hint(found: Hint) -> HintPayload:
    return HintPayload(kind=found.kind, weight=found.weight, words=found.words, fix=found.fix)


def timeline(found: Timeline) -> TimelinePayload:
    spans = [
        SpanPayload(
            health=span.health,
            reason=span.reason,
            since=stamp(span.since),
            until=stamp(span.until),
            start=round(span.start, 6),
            share=round(span.share, 6),
        )
        for span in found.spans
    ]
    return TimelinePayload(reachable=found.reachable, outages=found.outages, spans=spans)


def in_flight(row: Attempt) -> InFlightPayload:
    return InFlightPayload(
        task_id=row.task_id,
        attempt_id=row.pk,
        number=row.number,
        title=row.task.title,
        model=row.model_name,
        status=row.status,
        agent=row.task.agent_name,
        owner=owner_name(row.task),
        since=stamp(row.started_at or row.granted_at),
    )


def failure(row: Attempt) -> NodeFailurePayload:
    return NodeFailurePayload(
        task_id=row.task_id,
        attempt_id=row.pk,
        number=row.number,
        model=row.model_name,
        code=row.error_code,
        error=row.error,
        node_fault=row.node_fault,
        at=iso(row.ended_at),
    )


def versions(found: Spread | None) -> VersionsPayload:
    if found is None:
        return VersionsPayload(oldest=None, newest=None, behind=[])
    behind = [
        LagPayload(node=lag.node, version=lag.version, lacks=list(lag.lacks), differs=list(lag.differs))
        for lag in found.behind
    ]
    return VersionsPayload(oldest=found.oldest, newest=found.newest, behind=behind)

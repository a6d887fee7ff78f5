"""What waits, read by hopping along partial indexes: the cost grows with the number of queues, not of tasks."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from orchestration.models import Lane
from orchestration.policy.errands import AT_NODES
from orchestration.policy.fleet import COUNTED, ClassQueue, Head, LaneView, ShareRule
from orchestration.queries.ready import READY, moment, rows

LOOKED_AT = 5
"""Tasks of one lane and class that are counted for every decision; up to COUNTED once a second."""
NOBODY = 0
SHARES = 16
"""Users looked at for one lane and class at once: those who were served least."""

_UNFINISHED = "status IN ('assigned', 'blocked', 'pending', 'running')"
_WAITING = f"""
WITH RECURSIVE lanes(id) AS (
    SELECT MIN(lane_id) FROM orchestration_task {{by_age}} WHERE {READY}
    UNION ALL
    SELECT (SELECT MIN(lane_id) FROM orchestration_task {{by_age}} WHERE {READY} AND lane_id > lanes.id)
    FROM lanes WHERE lanes.id IS NOT NULL
)
SELECT lanes.id, classes.priority,
    (SELECT MIN(ready_at) FROM orchestration_task {{by_age}}
     WHERE {READY} AND lane_id = lanes.id AND priority = classes.priority),
    (SELECT COUNT(*) FROM (
        SELECT 1 FROM orchestration_task {{by_age}}
        WHERE {READY} AND lane_id = lanes.id AND priority = classes.priority ORDER BY ready_at LIMIT %s) AS counted)
FROM lanes, (SELECT 0 AS priority UNION ALL SELECT 1 UNION ALL SELECT 2) AS classes
WHERE lanes.id IS NOT NULL
"""
_SHARES_OF_LANE = f"""
WITH RECURSIVE shares(share) AS (
    SELECT MIN(share) FROM orchestration_task {{by_share}} WHERE {READY} AND lane_id = %s AND priority = %s
    UNION ALL
    SELECT (SELECT MIN(share) FROM orchestration_task {{by_share}}
            WHERE {READY} AND lane_id = %s AND priority = %s AND share > shares.share)
    FROM shares WHERE shares.share IS NOT NULL
)
SELECT share FROM shares WHERE share IS NOT NULL
"""
_SHARES = f"""
WITH RECURSIVE shares(share) AS (
    SELECT MIN(share) FROM orchestration_task {{unfinished}} WHERE {_UNFINISHED}
    UNION ALL
    SELECT (SELECT MIN(share) FROM orchestration_task {{unfinished}} WHERE {_UNFINISHED} AND share > shares.share)
    FROM shares WHERE shares.share IS NOT NULL
)
SELECT share FROM shares WHERE share IS NOT NULL
"""
_TAKES_A_PART = f"""
SELECT 1 FROM orchestration_task {{unfinished}}
WHERE {_UNFINISHED} AND share = {NOBODY} AND type NOT IN ({", ".join(f"'{it}'" for it in sorted(AT_NODES))}) LIMIT 1
"""
_HEADS = f"""
SELECT * FROM (
    SELECT id, share, line_at, node_id, error_code, tries, max_tries, prefer_node_id
    FROM orchestration_task {{by_share}}
    WHERE {READY} AND lane_id = %s AND priority = %s AND share = %s ORDER BY line_at, id LIMIT %s
) AS heads
"""


Counts = Mapping[tuple[int, int], int]
"""By lane and priority."""


def counts() -> Counts:
    """How many wait in each queue, up to COUNTED."""
    return {(lane_id, priority): count for lane_id, priority, _, count in rows(_WAITING, [COUNTED]) if count}


def waiting_lanes(lately: Counts) -> list[LaneView]:
    """Every lane with tasks that could start. ``lately``: what ``counts`` said; long queues hardly change."""
    queues: dict[int, dict[int, ClassQueue]] = defaultdict(dict)
    for lane_id, priority, oldest, count in rows(_WAITING, [LOOKED_AT]):
        if count:
            known = lately.get((lane_id, priority), 0) if count == LOOKED_AT else 0
            queues[lane_id][priority] = ClassQueue(count=max(count, known), oldest=moment(oldest))
    fields = ("pk", "models", "num_ctx", "agent_id", "type", "node_id")
    return [
        LaneView(id=pk, models=tuple(models), num_ctx=num_ctx, agent=agent, type=kind, node=node, queues=queues[pk])
        for pk, models, num_ctx, agent, kind, node in Lane.objects.filter(pk__in=queues).values_list(*fields)
    ]


def waiting_shares() -> frozenset[int]:
    """Who has anything unfinished that takes a part of the fleet. Errands are nobody's, and take none: who comes while
    a long one runs must not start level with an account that nothing is ever charged to."""
    found = frozenset(share for (share,) in rows(_SHARES))
    return found if NOBODY not in found or rows(_TAKES_A_PART) else found - {NOBODY}


def heads_of(shares: Mapping[int, ShareRule]) -> Callable[[int, int, int], Sequence[Head]]:
    """The look-up that ``FleetView.heads`` wants. ``shares``: who has received how much."""

    def heads(lane_id: int, priority: int, most: int) -> Sequence[Head]:
        found = [share for (share,) in rows(_SHARES_OF_LANE, [lane_id, priority, lane_id, priority])]
        served_least = sorted(found, key=lambda it: (not _may(shares, it), _service(shares, it)))
        chosen = served_least[: min(SHARES, max(1, most))]
        chosen = [share for share in chosen if _may(shares, share)] or chosen[:1]
        if not chosen:
            return []
        query = " UNION ALL ".join([_HEADS] * len(chosen))
        arguments = [argument for share in chosen for argument in (lane_id, priority, share, most)]
        return [
            Head(
                task_id=pk,
                share=share,
                line_at=moment(line_at),
                avoid=node_id if error_code else None,
                insists=bool(node_id and error_code) and (tries > 1 or tries + 1 >= max_tries),
                prefer=prefer,
            )
            for pk, share, line_at, node_id, error_code, tries, max_tries, prefer in rows(query, arguments)
        ]

    return heads


def _may(shares: Mapping[int, ShareRule], share: int) -> bool:
    rule = shares.get(share)
    return rule is None or rule.max_concurrent is None or rule.in_flight < rule.max_concurrent


def _service(shares: Mapping[int, ShareRule], share: int) -> float:
    return shares[share].service if share in shares else 0.0

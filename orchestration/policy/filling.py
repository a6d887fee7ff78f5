"""FILL: tasks onto free slots of models that are in memory. The highest class first, then the user who has received
the least, then the oldest run; each goes to the node that will finish it first."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime

from orchestration.policy.books import Books
from orchestration.policy.decision import Grant
from orchestration.policy.fleet import Head, LaneView, NodeView, Variant

Rank = tuple[int, float, datetime, int]
NO_WORSE = 0.8
"""Of the speed of the best: so much is won back where a node need not read the beginning of a prompt again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    node: NodeView
    variant: Variant
    order: int
    """Of the model among those the lane prefers."""


@dataclass(slots=True)
class _Line:
    """A lane with a free slot while its tasks are handed out."""

    lane: LaneView
    places: list[_Place]
    priorities: list[int]
    heads: dict[int, dict[int, deque[Head]]] = field(default_factory=dict)
    """By priority and share."""
    seen: Counter[int] = field(default_factory=Counter)
    """By priority: how many were looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosy:
    """A task that could start only where it failed, and need not if another node is about to load its model."""

    line: _Line
    priority: int
    head: Head


def fill(books: Books) -> list[Choosy]:
    """Grants until no task can start, or no worker has room. What insists on a node without a free slot comes back."""
    choosy: list[Choosy] = []
    lines = [line for lane in books.view.lanes if (line := _line(books, lane))]
    could = lines
    while could := [line for line in could if _could_go_on(books, line)]:
        firsts = [(first, line) for line in could if (first := _first(books, line))]
        if not firsts:
            break
        (rank, head), line = min(firsts, key=lambda pair: pair[0][0])
        line.heads[rank[0]][head.share].popleft()
        if _holds_out(books, line, head):
            choosy.append(Choosy(line=line, priority=rank[0], head=head))
        else:
            _grant(books, line, rank[0], head)
    for line in lines:
        if _could_go_on(books, line):
            _note_rest(books, line)
    return choosy


def fill_choosy(books: Books, choosy: list[Choosy]) -> None:
    """Those for whom nothing is loaded elsewhere go where they failed after all: better than not at all."""
    for it in choosy:
        line = it.line
        line.places = [place for place in line.places if books.serving(place.node, place.variant)]
        if _could_go_on(books, line) and books.share_room(it.head.share) and not _another_holds(books, line, it.head):
            _grant(books, line, it.priority, it.head)


def _holds_out(books: Books, line: _Line, head: Head) -> bool:
    """Whether it waits for another node than where it failed. Notes for PLACE that there is no such node yet."""
    if not head.insists or any(place.node.id != head.avoid for place in line.places if _is_free(books, place)):
        return False
    wanted = books.open_to(line.lane)
    if not any(node.id != head.avoid for variant in wanted for node in books.loaders(variant, line.lane.node)):
        return False
    if head.avoid is not None and not _another_holds(books, line, head):
        for variant in wanted:
            books.forsaken.setdefault(variant.model, set()).add(head.avoid)
    return True


def _another_holds(books: Books, line: _Line, head: Head) -> bool:
    lane = line.lane
    wanted = books.open_to(lane)
    return any(node.id != head.avoid for variant in wanted for node in books.holders(variant, lane.node))


def _line(books: Books, lane: LaneView) -> _Line | None:
    order = {model: number for number, model in enumerate(lane.models)}
    places = [_Place(node=node, variant=variant, order=order[variant.model]) for node, variant in books.places(lane)]
    line = _Line(lane, places, list(books.left(lane)))
    return line if places and line.priorities else None


def _first(books: Books, line: _Line) -> tuple[Rank, Head] | None:
    """The task of this lane that is next."""
    for priority in line.priorities:
        best = min(
            (
                ((priority, books.service.get(share, 0.0), queue[0].line_at, queue[0].task_id), queue[0])
                for share, queue in _heads(books, line, priority).items()
                if queue and books.share_room(share)
            ),
            key=lambda pair: pair[0],
            default=None,
        )
        if best:
            return best
    return None


def _could_go_on(books: Books, line: _Line) -> bool:
    free = any(_is_free(books, place) for place in line.places)
    return free and books.room > 0 and books.agent_room(line.lane.agent) > 0


def _note_rest(books: Books, line: _Line) -> None:
    """Slots stay free although tasks wait: their users are at their limit, or not all of them were looked at."""
    for priority in books.left(line.lane):
        limited = [share for share, queue in line.heads.get(priority, {}).items() if queue]
        if limited:
            books.at_user_limit.setdefault(line.lane.id, limited[0])
        changed = books.taken[line.lane.id, priority] or any(books.was_open(share) for share in limited)
        if changed and line.seen[priority] < line.lane.queues[priority].count:
            books.decision.more = True


def _heads(books: Books, line: _Line, priority: int) -> dict[int, deque[Head]]:
    """Looked up when first needed: most lanes have no free slot, and then nobody needs to know who is first."""
    if priority not in line.heads:
        by_share: dict[int, deque[Head]] = {}
        for head in books.view.heads(line.lane.id, priority, _most(books, line)):
            by_share.setdefault(head.share, deque()).append(head)
            line.seen[priority] += 1
        line.heads[priority] = by_share
    return line.heads[priority]


def _most(books: Books, line: _Line) -> int:
    """How many of the lane can start at most."""
    free = sum(
        books.slots(place.node, place.variant) - books.in_use(place.node, place.variant) for place in line.places
    )
    return min(free, books.room, books.agent_room(line.lane.agent))


def _is_free(books: Books, place: _Place) -> bool:
    return books.model_room(place.variant.model) > 0 and books.free_slot(place.node, place.variant) is not None


def _grant(books: Books, line: _Line, priority: int, head: Head) -> None:
    lane = line.lane
    free = [place for place in line.places if _is_free(books, place)]
    place = _chosen(books, free, head)
    node, variant = place.node, place.variant
    slot = books.free_slot(node, variant) or 0
    tokens = books.view.estimates.work(lane.agent, lane.type)
    reason = _reason(books, place, free, head, lane.node)
    books.used[node.id].setdefault(variant.model, set()).add(slot)
    books.models[variant.model] += 1
    books.shares[head.share] += 1
    if lane.agent is not None:
        books.agents[lane.agent] += 1
    books.room -= 1
    books.taken[lane.id, priority] += 1
    books.service[head.share] = books.service.get(head.share, 0.0) + tokens
    books.decision.service[head.share] = books.service[head.share]
    books.decision.grants.append(
        Grant(
            task_id=head.task_id,
            node_id=node.id,
            model=variant.model,
            num_ctx=variant.num_ctx,
            slot=slot,
            share=head.share,
            tokens=tokens,
            reason=reason,
        )
    )


def _chosen(books: Books, free: list[_Place], head: Head) -> _Place:
    """The best; but the node that holds the beginning of the prompt where it is no worse with the same model."""
    best = max(free, key=lambda place: _merit(books, place, head))
    if head.prefer is None or head.prefer == best.node.id:
        return best
    least = _speed(books, best) * NO_WORSE
    for place in free:
        same = place.node.id == head.prefer != head.avoid and place.variant.model == best.variant.model
        if same and _speed(books, place) >= least:
            return place
    return best


def _speed(books: Books, place: _Place) -> float:
    node, variant = place.node, place.variant
    return books.view.estimates.speed(node.id, variant.model) / books.slowdown(node, variant)


def _merit(books: Books, place: _Place, head: Head) -> tuple[bool, int, float, int, int]:
    """Not where it failed last; the team's favourite model; then where it is done first."""
    node, variant = place.node, place.variant
    return node.id != head.avoid, books.rule(variant.model).priority, _speed(books, place), -place.order, -node.id


def _reason(books: Books, place: _Place, free: list[_Place], head: Head, only: int | None) -> str:
    node, variant = place.node, place.variant
    slots = f"{books.in_use(node, variant) + 1} of {books.slots(node, variant)} slots used"
    words = f"{variant.model} already loaded on {node.name}, {slots}"
    if only is not None:
        return f"{words}; no other node may run it"
    if node.id == head.prefer:
        return f"{words}; holds the conversation's prefix"
    others = len({other.node.id for other in free} - {node.id})
    if head.avoid is not None and node.id != head.avoid and head.avoid in {other.node.id for other in free}:
        return f"{words}; not where its last attempt failed"
    return f"{words}; the fastest of {others + 1} nodes with a free slot" if others else words

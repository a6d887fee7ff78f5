"""Preloading: a node with nothing better to do loads what will be asked for next. It never displaces anything."""

from datetime import timedelta

from orchestration.policy.books import Books
from orchestration.policy.decision import Planned
from orchestration.policy.fleet import NodeView, Plan, Upcoming, Variant
from orchestration.policy.room import needed_bytes, victims


def preload(books: Books) -> None:
    """One plan a node, for models that no node holds, as long as no task waits for a load anywhere."""
    if not books.view.workers_alive:
        return
    for upcoming in books.view.upcoming:
        wanted = books.open_to(upcoming)
        if any(books.holders(variant) for variant in wanted):
            continue
        options = [
            (node, variant) for variant in wanted for node in books.view.nodes if _has_room(books, node, variant)
        ]
        if options:
            _commit(books, *min(options, key=lambda option: _seconds(books, *option)), upcoming)


def _has_room(books: Books, node: NodeView, variant: Variant) -> bool:
    idle = not node.refuses and not node.probe and node.id not in books.plans
    return idle and node.could_load(variant) and victims(node, variant, (), books.view.parameters.most_loaded) == []


def _seconds(books: Books, node: NodeView, variant: Variant) -> tuple[float, int]:
    return books.view.estimates.load(node.id, variant.model, needed_bytes(node, variant)), node.id


def _commit(books: Books, node: NodeView, variant: Variant, upcoming: Upcoming) -> None:
    seconds, _ = _seconds(books, node, variant)
    plan = Plan(variant=variant, since=books.view.now, expected=timedelta(seconds=seconds), preload=True)
    reason = f"{variant.model} on {node.name} ahead of time, there is room: {upcoming.reason}"
    books.commit(node.id, plan)
    books.decision.plans.append(Planned(node_id=node.id, plan=plan, lane_id=None, reason=reason))

"""Preloading: a node with nothing better to do loads what is pinned to it, then what will be asked for next. It never
displaces anything but the same model with another context."""

from datetime import timedelta

from orchestration.policy.books import Books
from orchestration.policy.decision import Planned
from orchestration.policy.fleet import NodeView, Plan, Upcoming, Variant
from orchestration.policy.room import needed_bytes, victims


def preload(books: Books, *, idle: bool) -> None:
    """One plan a node: what is pinned to it, then models that no node holds. ``idle``: no task waits that a load might
    help; there always is one in a busy fleet, and what people pinned would never be loaded."""
    if not books.view.workers_alive:
        return
    _preload_pinned(books)
    for upcoming in books.view.upcoming if idle else ():
        wanted = books.open_to(upcoming)
        if any(books.holders(variant) for variant in wanted):
            continue
        options = [
            (node, variant) for variant in wanted for node in books.view.nodes if _has_room(books, node, variant)
        ]
        if options:
            _commit(books, *min(options, key=lambda option: _seconds(books, *option)), upcoming.reason)


def _preload_pinned(books: Books) -> None:
    for node in books.view.nodes:
        for wanted, by in sorted(node.pinned.items()):
            pin = Upcoming(models=(wanted.model,), num_ctx=wanted.num_ctx, reason=by)
            variant = books.wanted(pin, wanted.model)
            if not any(it.serves(variant) for it in node.resident) and _is_free(books, node, variant):
                _commit(books, node, variant, by)
                break


def _is_free(books: Books, node: NodeView, variant: Variant) -> bool:
    """Whether there is room, or would be without the same model with a smaller context, which nobody uses now."""
    if node.refuses or node.probe or node.id in books.plans or not node.could_load(variant):
        return False
    if not books.rule(variant.model).enabled or books.rule(variant.model).paused:
        return False
    gone = victims(node, variant, (), books.view.parameters.most_loaded)
    return gone is not None and not any(books.in_use(node, it) or node.resident[it].busy_outside for it in gone)


def _has_room(books: Books, node: NodeView, variant: Variant) -> bool:
    idle = not node.refuses and not node.probe and node.id not in books.plans
    return idle and node.could_load(variant) and victims(node, variant, (), books.view.parameters.most_loaded) == []


def _seconds(books: Books, node: NodeView, variant: Variant) -> tuple[float, int]:
    return books.view.estimates.load(node.id, variant.model, needed_bytes(node, variant)), node.id


def _commit(books: Books, node: NodeView, variant: Variant, because: str) -> None:
    seconds, _ = _seconds(books, node, variant)
    gone = tuple(it for it in node.resident if it.model == variant.model)
    expected = timedelta(seconds=seconds)
    plan = Plan(variant=variant, victims=gone, since=books.view.now, expected=expected, preload=True)
    reason = f"{variant.model} on {node.name} ahead of time, there is room: {because}"
    books.commit(node.id, plan)
    books.decision.plans.append(Planned(node_id=node.id, plan=plan, lane_id=None, reason=reason))

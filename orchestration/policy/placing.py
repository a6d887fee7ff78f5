"""PLACE and GO: which model is loaded where, and what makes room for it.

A node serves what it has loaded until that is idle. A model nobody holds is loaded at once where it costs only idle
models; one that is held gets a second node only if its backlog lasts longer than the load. A busy model is displaced
only for a task that no node can serve and that has waited out the patience of its class.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from orchestration.policy.books import Books
from orchestration.policy.decision import Abort, Planned
from orchestration.policy.estimates import batch_gain
from orchestration.policy.fleet import LaneView, NodeView, Plan, Run, Variant
from orchestration.policy.room import needed_bytes, victims
from orchestration.policy.states import Priority

IN_TIME = 9
"""In the place of a class: no class has run out of patience."""
RETURN_SECONDS = 10.0
"""Beyond two loads: how long a displaced model stays away at least."""


@dataclass(slots=True, kw_only=True)
class Want:
    """What waits for a variant: the best class that has lost its patience, the best class at all, tasks and work."""

    lane: LaneView
    late: int
    priority: int
    count: int
    work: float
    """Tokens of one of the tasks."""
    waited: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class _Option:
    """A node that could load the variant. ``seconds``: until it could serve."""

    node: NodeView
    victims: tuple[Variant, ...]
    kept: int
    seconds: float
    load_seconds: float
    cost: tuple[int, float, int, int]


def place(books: Books) -> dict[Variant, Want]:
    """Commits nodes to loads; what is wanted comes back for the explanations."""
    wants = _wants(books)
    held = Counter({variant: sum(1 for _ in books.holders(variant)) for variant in wants})
    _withdraw(books, wants)
    order = sorted(wants, key=lambda it: (wants[it].late, wants[it].priority, -wants[it].count / (held[it] + 1), it))
    for variant in order:
        if option := _best(books, wants, variant):
            _commit(books, variant, wants[variant], option)
    return wants


def go(books: Books) -> None:
    """Plans whose victims have nothing left to do begin."""
    for node_id, plan in books.plans.items():
        if plan.loading_since is None and not any(books.used[node_id].get(victim) for victim in plan.victims):
            books.decision.starts.append(node_id)


def _wants(books: Books) -> dict[Variant, Want]:
    wants: dict[Variant, Want] = {}
    for lane in books.view.lanes:
        left = books.left(lane)
        room = books.agent_room(lane.agent)
        variant = _variant_for(books, lane) if left and room else None
        if variant is not None:
            count = min(sum(left.values()), room, books.model_room(variant.model))
            _add(wants, variant, _want(books, lane, variant, left, count))
    return _joined(wants)


def _joined(wants: dict[Variant, Want]) -> dict[Variant, Want]:
    """A model is wanted with one context only, the largest: it serves the others, and two would displace each other."""
    largest: dict[str, Variant] = {}
    for variant in wants:
        largest[variant.model] = max(variant, largest.get(variant.model, variant))
    joined: dict[Variant, Want] = {}
    for variant, want in wants.items():
        _add(joined, largest[variant.model], want)
    return joined


def _add(wants: dict[Variant, Want], variant: Variant, want: Want) -> None:
    known = wants.get(variant)
    if known is None:
        wants[variant] = want
        return
    known.late, known.priority = min(known.late, want.late), min(known.priority, want.priority)
    known.count += want.count
    known.waited = max(known.waited, want.waited)


def _variant_for(books: Books, lane: LaneView) -> Variant | None:
    """The model the lane counts for: the one that most nodes hold, else the first that some node could load."""
    open_models = [
        (order, books.wanted(lane, name)) for order, name in enumerate(lane.models) if books.model_open(name)
    ]
    able = [
        (order, variant)
        for order, variant in open_models
        if any(_could(books, node, variant) for node in books.view.nodes)
    ]
    if not able:
        return None
    rank = {it: (sum(1 for _ in books.holders(it)), books.rule(it.model).priority, -order) for order, it in able}
    return max(rank, key=lambda it: rank[it])


def _could(books: Books, node: NodeView, variant: Variant) -> bool:
    return not node.refuses and variant.model in node.installed and variant.model not in node.load_refused


def _want(books: Books, lane: LaneView, variant: Variant, left: dict[int, int], count: int) -> Want:
    now, patience = books.view.now, books.view.parameters.patience
    held = any(True for _ in books.holders(variant))
    ages = {priority: now - lane.queues[priority].oldest for priority in left}
    late = [priority for priority, age in ages.items() if not held and age >= patience[priority]]
    return Want(
        lane=lane,
        late=min(late, default=IN_TIME),
        priority=min(left),
        count=count,
        work=books.view.estimates.work(lane.agent, lane.type),
        waited=max(ages.values()),
    )


def _withdraw(books: Books, wants: dict[Variant, Want]) -> None:
    """Plans that have not begun, when nobody waits for them any more or their node takes nothing."""
    for node_id, plan in list(books.plans.items()):
        needed = plan.preload or any(plan.variant.serves(it) for it in wants)
        if plan.loading_since is None and (books.nodes[node_id].refuses or not needed):
            del books.plans[node_id]
            books.decision.withdrawn.append(node_id)


def _best(books: Books, wants: dict[Variant, Want], variant: Variant) -> _Option | None:
    options = [
        option
        for node in books.view.nodes
        if _could(books, node, variant) and node.id not in books.plans and not books.serving(node, variant)
        if (option := _option(books, wants, variant, node))
    ]
    return min(options, key=lambda option: option.cost, default=None)


def _option(books: Books, wants: dict[Variant, Want], variant: Variant, node: NodeView) -> _Option | None:
    """What it would cost the node to load the variant; None where the rules forbid it."""
    want, parameters, estimates = wants[variant], books.view.parameters, books.view.estimates
    load = estimates.load(node.id, variant.model, needed_bytes(node, variant))
    kept = {it: _is_kept(books, wants, want, node, it, load) for it in node.resident}
    busy = {it: _is_busy(books, wants, node, it) for it in node.resident}
    ranked = sorted(
        node.resident, key=lambda it: (kept[it], busy[it], books.in_use(node, it) > 0, _last_used(node, it), it)
    )
    gone = victims(node, variant, ranked, parameters.most_loaded)
    if gone is None:
        return None
    runs = _runs_to_wait_for(books, node, gone, want)
    seconds = load + max((_left(books, node, run) for run in runs), default=0.0)
    lost = sum(kept[it] for it in gone)
    if want.late == IN_TIME:
        if lost or any(busy[it] for it in gone) or not _backlog_lasts(books, variant, want, seconds):
            return None
    elif want.late > Priority.HIGH and any(busy[it] and _is_fresh(books, node, it, load) for it in gone):
        return None
    serve = want.work / estimates.speed(node.id, variant.model) * books.slowdown(node, variant)
    cost = (lost, seconds + serve, len(node.resident) - len(gone), node.id)
    return _Option(node=node, victims=tuple(gone), kept=lost, seconds=seconds, load_seconds=load, cost=cost)


def _is_kept(books: Books, wants: dict[Variant, Want], want: Want, node: NodeView, it: Variant, load: float) -> bool:
    """The last holder of a model that a high task will more likely than not ask for before it could be back."""
    if want.priority == Priority.HIGH or sum(1 for _ in books.holders(it)) > 1:
        return False
    back = load + books.view.estimates.load(node.id, it.model, needed_bytes(node, it)) + RETURN_SECONDS
    return books.view.high_rate.get(it.model, 0.0) * back > books.view.parameters.hot


def _is_busy(books: Books, wants: dict[Variant, Want], node: NodeView, it: Variant) -> bool:
    """Queued tasks for it, runs of ours, or requests of others."""
    queued = any(it.serves(variant) for variant in wants)
    return queued or books.in_use(node, it) > 0 or node.resident[it].busy_outside


def _last_used(node: NodeView, it: Variant) -> float:
    used = node.resident[it].last_used
    return used.timestamp() if used else 0.0


def _is_fresh(books: Books, node: NodeView, it: Variant, load: float) -> bool:
    since = node.resident[it].since
    return since is not None and (books.view.now - since).total_seconds() < books.view.parameters.stay * load


def _runs_to_wait_for(books: Books, node: NodeView, gone: list[Variant], want: Want) -> list[Run]:
    runs = [run for run in node.runs if run.variant in gone]
    return [run for run in runs if not _may_abort(books, run)] if want.late == Priority.HIGH else runs


def _may_abort(books: Books, run: Run) -> bool:
    return books.view.parameters.preempt and run.priority == Priority.LOW and not run.preempted


def _left(books: Books, node: NodeView, run: Run) -> float:
    """Seconds: answers have heavy tails, so one that is overdue takes about half as long again as it took so far."""
    elapsed = (books.view.now - run.since).total_seconds()
    return max(books.view.estimates.run(node.id, run.variant.model) - elapsed, elapsed / 2)


def _backlog_lasts(books: Books, variant: Variant, want: Want, seconds: float) -> bool:
    """Whether those who hold it would still be at it when one more could help."""
    estimates = books.view.estimates
    rates = [
        batch_gain(books.slots(node, books.serving(node, variant) or variant)) * estimates.speed(node.id, variant.model)
        for node in books.holders(variant)
    ]
    return not rates or want.count * want.work >= seconds * sum(rates)


def _commit(books: Books, variant: Variant, want: Want, option: _Option) -> None:
    node, late = option.node, want.late != IN_TIME
    plan = Plan(
        variant=variant,
        victims=option.victims,
        since=books.view.now,
        expected=timedelta(seconds=option.load_seconds),
        patience=late,
    )
    reason = _reason(books, want, option, variant)
    books.plans[node.id] = plan
    books.decision.plans.append(Planned(node_id=node.id, plan=plan, lane_id=want.lane.id, reason=reason))
    if want.late == Priority.HIGH:
        for run in [run for run in node.runs if run.variant in option.victims and _may_abort(books, run)]:
            words = f"made way for a high-priority task that waits for {variant.model}"
            books.decision.aborts.append(Abort(attempt_id=run.attempt_id, node_id=node.id, reason=words))


def _reason(books: Books, want: Want, option: _Option, variant: Variant) -> str:
    """Why here and why now, in words."""
    names = ", ".join(it.model for it in option.victims)
    if want.late != IN_TIME:
        waited = round(want.waited.total_seconds())
        cost = f", in place of {names}" if names else ""
        return f"{variant.model} on {option.node.name}{cost}: its task has waited {waited} s for a model nobody holds"
    room = f"in place of {names}, idle" if names else "there is room"
    held = [node.name for node in books.holders(variant)]
    if held:
        return f"{variant.model} on {option.node.name} too ({room}): {want.count} wait, longer than a load takes"
    return f"{variant.model} on {option.node.name}: no node holds it, {room}"

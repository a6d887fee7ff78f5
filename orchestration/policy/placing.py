"""PLACE and GO: which model is loaded where, and what makes room for it.

A node serves what it has loaded until that is idle. A model nobody holds is loaded at once where it costs only idle
models; one that is held gets a second node only if its backlog lasts longer than the load. A busy model is displaced
only for a task that no node can serve and that has waited out the patience of its class.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from orchestration.policy.books import UNLIMITED, Books
from orchestration.policy.decision import Abort, Planned
from orchestration.policy.estimates import batch_gain
from orchestration.policy.fleet import LaneView, NodeView, Plan, Run, Variant
from orchestration.policy.room import capacity_bytes, needed_bytes, victims
from orchestration.policy.states import Priority

IN_TIME = 9
"""In the place of a class: no class has run out of patience."""
RETURN_SECONDS = 10.0
"""Beyond two loads: how long a displaced model stays away at least."""


class Goal(NamedTuple):
    """A variant that is wanted: anywhere, or on this node only."""

    variant: Variant
    node: int | None = None


@dataclass(slots=True, kw_only=True)
class Want:
    """What waits for a goal: the best class that has lost its patience, the best class at all, tasks and work."""

    lane: LaneView
    """One of those that want it: the one a plan for it is noted for."""
    late: int
    priority: int
    count: int
    work: float
    """Tokens of one of the tasks."""
    waited: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class _Option:
    """A node that could load the variant."""

    node: NodeView
    victims: tuple[Variant, ...]
    load_seconds: float
    cost: tuple[int, float, int, int]


def place(books: Books) -> dict[Goal, Want]:
    """Commits nodes to loads; what is wanted comes back. Without workers nothing ends, and all would displace all."""
    _withdraw(books, lambda node, plan: node.could_load(plan.variant) and not books.serving(node, plan.variant))
    if not books.view.workers_alive:
        return {}
    wants = _wants(books)
    for goal in wants:
        _note_queued(books, goal)
    held = {goal: len(books.holders(*goal)) for goal in wants}
    _withdraw(books, lambda node, plan: plan.preload or _is_needed(books, wants, node, plan))
    for goal in sorted(wants, key=lambda it: _urgency(wants[it], held[it], it)):
        if not _move(books, wants, goal) and (option := _best(books, wants, goal)):
            _commit(books, goal, wants[goal], option)
    return wants


def _note_queued(books: Books, goal: Goal) -> None:
    (model, num_ctx), node = (goal.variant.model, goal.variant.num_ctx), goal.node
    if node is None:
        books.queued[model] = min(num_ctx, books.queued.get(model, UNLIMITED))
    else:
        books.queued_on[node, model] = min(num_ctx, books.queued_on.get((node, model), UNLIMITED))


def _urgency(want: Want, held: int, goal: Goal) -> tuple[int, int, bool, float, Variant, int]:
    """Of equal classes those with one node first: where it goes the others may find it held, not the other way."""
    return want.late, want.priority, goal.node is None, -want.count / (held + 1), goal.variant, goal.node or 0


def go(books: Books) -> None:
    """Plans whose victims have nothing left to do begin."""
    for node_id, plan in books.plans.items():
        if plan.loading_since is None and not any(books.in_use(books.nodes[node_id], it) for it in plan.victims):
            books.decision.starts.append(node_id)


def _wants(books: Books) -> dict[Goal, Want]:
    wants: dict[Goal, Want] = {}
    for lane in books.view.lanes:
        left = _startable(books, lane)
        variant = _variant_for(books, lane) if left else None
        if variant is not None:
            count = min(sum(left.values()), max(1, books.agent_room(lane.agent)), books.model_room(variant.model))
            _add(wants, Goal(variant, lane.node), _want(books, lane, left, count))
    return _joined(books, wants)


def _startable(books: Books, lane: LaneView) -> dict[int, int]:
    """How many tasks wait, by priority, that could start if their model were loaded."""
    left = {} if lane.id in books.at_user_limit else books.left(lane)
    if left and not books.agent_room(lane.agent):
        left = {priority: count for priority, count in left.items() if _is_overtaken(books, lane, priority)}
    if not books.any_user_limit or any(books.holders(it, lane.node) for it in _usable(books, lane)):
        return left
    return {priority: count for priority, count in left.items() if books.anybody(lane, priority)}


def _is_overtaken(books: Books, lane: LaneView, priority: int) -> bool:
    """Whether its agent, which is at its limit, has used it for tasks that were not before these in the line: they
    could start because their model was loaded, and go on taking every place that gets free."""
    rule = books.view.agents.get(lane.agent) if lane.agent is not None else None
    if rule is None or rule.paused:
        return False
    overdue = lane.queues[priority].oldest + books.view.parameters.patience[priority]
    runs = [run for node in books.view.nodes for run in node.runs if run.agent == lane.agent]
    return any(run.since >= overdue and run.priority >= priority for run in runs)


def _usable(books: Books, lane: LaneView) -> list[Variant]:
    """What could serve the lane as far as people decided, at its limit or not."""
    rules = {model: books.rule(model) for model in lane.models}
    return [books.wanted(lane, model) for model, rule in rules.items() if rule.enabled and not rule.paused]


def _joined(books: Books, wants: dict[Goal, Want]) -> dict[Goal, Want]:
    """A model that nobody holds is wanted with one context only, the largest: it serves those who want less."""
    largest: dict[tuple[str, int | None], Variant] = {}
    held = {goal for goal in wants if books.holders(*goal)}
    for variant, node in wants.keys() - held:
        largest[variant.model, node] = max(variant, largest.get((variant.model, node), variant))
    joined: dict[Goal, Want] = {}
    for goal, want in wants.items():
        _add(joined, goal if goal in held else Goal(largest[goal.variant.model, goal.node], goal.node), want)
    return joined


def _add(wants: dict[Goal, Want], goal: Goal, want: Want) -> None:
    known = wants.get(goal)
    if known is None:
        wants[goal] = want
        return
    known.late, known.priority = min(known.late, want.late), min(known.priority, want.priority)
    known.count += want.count
    known.waited = max(known.waited, want.waited)


def _variant_for(books: Books, lane: LaneView) -> Variant | None:
    """The model the lane counts for: the one that most nodes hold, else the first that some node could load, if
    possible one that is not about to load something else."""
    only = lane.node
    able = [it for it in books.open_to(lane) if books.loaders(it, only) or books.holders(it, only)]
    return max(
        able,
        key=lambda it: (len(books.holders(it, only)), _has_loader(books, it, only), books.rule(it.model).priority),
        default=None,
    )


def _has_loader(books: Books, variant: Variant, only: int | None) -> bool:
    return any(node.id not in books.plans for node in books.loaders(variant, only))


def _want(books: Books, lane: LaneView, left: dict[int, int], count: int) -> Want:
    """Nobody is late whom some node serves, though it be at the limit of its model."""
    now, patience = books.view.now, books.view.parameters.patience
    held = any(books.holders(variant, lane.node) for variant in _usable(books, lane))
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


def _withdraw(books: Books, stays: Callable[[NodeView, Plan], bool]) -> None:
    """Plans that have not begun, when nobody waits for them any more or their node cannot load it now."""
    for node_id, plan in list(books.plans.items()):
        if plan.loading_since is None and not stays(books.nodes[node_id], plan):
            books.drop(node_id)
            books.decision.withdrawn.append(node_id)


def _is_needed(books: Books, wants: dict[Goal, Want], node: NodeView, plan: Plan) -> bool:
    """A busy model need not go for those whom a node serves meanwhile."""
    waiting = [it for it in wants if it.node in (None, node.id) and plan.variant.serves(it.variant)]
    return any(not plan.patience or not _is_served(books, it) for it in waiting)


def _is_served(books: Books, goal: Goal) -> bool:
    return any(books.serving(node, goal.variant) for node in books.holders(*goal))


def _move(books: Books, wants: dict[Goal, Want], goal: Goal) -> bool:
    """A load that still waits for the runs of its victims goes where it costs only idle ones, if that is possible now.

    The victims go on, and no run however long keeps a task waiting while another node has nothing to do."""
    variant = goal.variant
    plans = [(node_id, plan) for node_id, plan in books.plans.items() if plan.variant.serves(variant)]
    for node_id, plan in plans if goal.node is None else ():
        waits = plan.loading_since is None and any(books.in_use(books.nodes[node_id], it) for it in plan.victims)
        bound = any(it.node == node_id and plan.variant.serves(it.variant) for it in wants)
        if not waits or bound or len(books.holders(variant)) > 1:
            continue
        books.drop(node_id)
        if option := _best(books, wants, goal):
            books.decision.withdrawn.append(node_id)
            _commit(books, goal, wants[goal], option)
            return True
        books.commit(node_id, plan)
    return False


def _best(books: Books, wants: dict[Goal, Want], goal: Goal) -> _Option | None:
    options = [
        option
        for node in books.loaders(*goal)
        if node.id not in books.plans and not books.serving(node, goal.variant)
        if (option := _option(books, wants[goal], goal, node))
    ]
    return min(options, key=lambda option: option.cost, default=None)


def _option(books: Books, want: Want, goal: Goal, node: NodeView) -> _Option | None:
    """What it would cost the node to load the variant; None where the rules forbid it."""
    variant, parameters, estimates = goal.variant, books.view.parameters, books.view.estimates
    busy = _busy(books, node)
    if want.late == IN_TIME and _is_full(node, variant, busy):
        return None
    load = estimates.load(node.id, variant.model, needed_bytes(node, variant))
    kept = {it: _is_kept(books, want, node, it, load) for it in node.resident}
    ranked = sorted(
        (it for it in node.resident if not node.is_pinned(it)),
        key=lambda it: (kept[it], busy[it], books.in_use(node, it) > 0, _last_used(node, it), it),
    )
    gone = victims(node, variant, ranked, parameters.most_loaded)
    if gone is None:
        return None
    runs = _runs_to_wait_for(books, node, gone, want)
    seconds = load + max((books.seconds_left(node, run) for run in runs), default=0.0)
    lost = sum(kept[it] for it in gone)
    if want.late == IN_TIME:
        if lost or any(busy[it] for it in gone) or not _backlog_lasts(books, goal, want, seconds):
            return None
    elif want.late > Priority.HIGH and any(busy[it] and _is_fresh(books, node, it, load) for it in gone):
        return None
    serve = want.work / estimates.speed(node.id, variant.model) * books.slowdown(node, variant)
    cost = (lost, seconds + serve, len(node.resident) - len(gone), node.id)
    return _Option(node=node, victims=tuple(gone), load_seconds=load, cost=cost)


def _busy(books: Books, node: NodeView) -> dict[Variant, bool]:
    if node.id not in books.busy:
        books.busy[node.id] = {it: _is_busy(books, node, it) for it in node.resident}
    return books.busy[node.id]


def _is_full(node: NodeView, variant: Variant, busy: Mapping[Variant, bool]) -> bool:
    """Whether what is busy there leaves no room, which is how most nodes are most of the time."""
    taken = sum(node.resident[it].size_bytes for it, is_busy in busy.items() if is_busy)
    return taken > 0 and taken + needed_bytes(node, variant) > capacity_bytes(node)


def _is_kept(books: Books, want: Want, node: NodeView, it: Variant, load: float) -> bool:
    """The last holder of a model that a high task will more likely than not ask for before it could be back."""
    rate = books.view.high_rate.get(it.model, 0.0)
    if not rate or want.priority == Priority.HIGH or len(books.holders(it)) > 1:
        return False
    back = load + books.view.estimates.load(node.id, it.model, needed_bytes(node, it)) + RETURN_SECONDS
    return rate * back > books.view.parameters.hot


def _is_busy(books: Books, node: NodeView, it: Variant) -> bool:
    """Queued tasks for it, runs of ours, or requests of others."""
    least = min(books.queued.get(it.model, UNLIMITED), books.queued_on.get((node.id, it.model), UNLIMITED))
    queued = it.num_ctx >= least
    return queued or books.in_use(node, it) > 0 or node.resident[it].busy_outside


def _last_used(node: NodeView, it: Variant) -> float:
    used = node.resident[it].last_used
    return used.timestamp() if used else 0.0


def _is_fresh(books: Books, node: NodeView, it: Variant, load: float) -> bool:
    since = node.resident[it].since
    return since is not None and (books.view.now - since).total_seconds() < books.view.parameters.stay * load


def _runs_to_wait_for(books: Books, node: NodeView, gone: list[Variant], want: Want) -> list[Run]:
    runs = _runs_on(node, gone)
    return [run for run in runs if not _may_abort(books, run)] if want.late == Priority.HIGH else runs


def _runs_on(node: NodeView, gone: Collection[Variant]) -> list[Run]:
    models = {it.model for it in gone}
    return [run for run in node.runs if run.variant.model in models]


def _may_abort(books: Books, run: Run) -> bool:
    return books.view.parameters.preempt and run.priority == Priority.LOW and not run.preempted


def _backlog_lasts(books: Books, goal: Goal, want: Want, seconds: float) -> bool:
    """Whether those who hold it, and where nothing fails, would still be at it when one more could help. Tasks for
    which they have a slot, or will have when they have loaded it, are no backlog."""
    estimates, variant = books.view.estimates, goal.variant
    holders = [
        (node, books.serving(node, variant) or variant)
        for node in books.holders(*goal)
        if node.id not in books.forsaken.get(variant.model, ())
    ]
    if not holders:
        return True
    if want.count <= sum(max(0, books.slots(node, it) - books.in_use(node, it)) for node, it in holders):
        return False
    rates = [batch_gain(books.slots(node, it)) * estimates.speed(node.id, variant.model) for node, it in holders]
    return want.count * want.work >= seconds * sum(rates)


def _commit(books: Books, goal: Goal, want: Want, option: _Option) -> None:
    variant, node, late = goal.variant, option.node, want.late != IN_TIME
    plan = Plan(
        variant=variant,
        victims=option.victims,
        since=books.view.now,
        expected=timedelta(seconds=option.load_seconds),
        patience=late,
    )
    reason = _reason(books, want, option, goal)
    books.commit(node.id, plan)
    books.decision.plans.append(Planned(node_id=node.id, plan=plan, lane_id=want.lane.id, reason=reason))
    if want.late == Priority.HIGH:
        for run in [run for run in _runs_on(node, option.victims) if _may_abort(books, run)]:
            words = f"made way for a high-priority task that waits for {variant.model}"
            books.decision.aborts.append(Abort(attempt_id=run.attempt_id, node_id=node.id, reason=words))


def _reason(books: Books, want: Want, option: _Option, goal: Goal) -> str:
    """Why here and why now, in words."""
    variant, names = goal.variant, ", ".join(it.model for it in option.victims)
    if want.late != IN_TIME:
        waited = round(want.waited.total_seconds())
        cost = f", in place of {names}" if names else ""
        if goal.node is not None:
            return (
                f"{variant.model} on {option.node.name}{cost}: its task may run nowhere else and has waited {waited} s"
            )
        return f"{variant.model} on {option.node.name}{cost}: its task has waited {waited} s for a model nobody holds"
    room = f"in place of {names}, idle" if names else "there is room"
    if goal.node is not None:
        return f"{variant.model} on {option.node.name}: its tasks may run nowhere else, {room}"
    held = books.holders(variant)
    forsaken = books.forsaken.get(variant.model, set())
    if held and all(node.id in forsaken for node in held):
        return f"{variant.model} on {option.node.name} too ({room}): a task failed on {held[0].name} and goes elsewhere"
    if held:
        return f"{variant.model} on {option.node.name} too ({room}): {want.count} wait, longer than a load takes"
    return f"{variant.model} on {option.node.name}: no node holds it, {room}"

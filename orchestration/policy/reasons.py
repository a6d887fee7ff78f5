"""Why a queue waits, in words for the person who waits, and when it goes on as far as that is known."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TypeVar

from orchestration.policy.books import Books
from orchestration.policy.decision import Decision, Waiting, Waits
from orchestration.policy.fleet import FleetView, LaneView, NodeView, Plan, Run, Variant, may_run
from orchestration.policy.room import victims

Found = Waiting | None
AnyFound = TypeVar("AnyFound", Waiting, Waiting | None)


def explain(books: Books) -> None:
    """Fills ``decision.waiting`` for every lane that has tasks left."""
    for lane in books.view.lanes:
        if any(queue.count > books.taken[lane.id, priority] for priority, queue in lane.queues.items()):
            books.decision.waiting[lane.id] = _of(books, lane)


def without_redis(view: FleetView) -> Decision:
    """Nothing is granted while no worker can be told."""
    words = "Redis does not answer, so no worker can be told"
    return Decision(waiting={lane.id: Waiting(code=Waits.REDIS_AWAY, words=words) for lane in view.lanes})


def _of(books: Books, lane: LaneView) -> Waiting:
    """The first thing that is in the way: what a person decided, what is missing, then what is busy."""
    return (
        _workers(books)
        or _paused(books, lane)
        or _limits(books, lane)
        or _bound(books, lane, _models(books, lane) or _nodes(books, lane) or _planned(books, lane))
        or _free(books, lane)
        or _bound(books, lane, _busy(books, lane))
        or _bound(books, lane, _no_room(books, lane))
    )


_OF_ITS_NODE = frozenset(
    {Waits.NOT_PULLED, Waits.NODE_UNAVAILABLE, Waits.LOAD_FAILED, Waits.LOADING, Waits.DRAINING, Waits.BUSY}
    | {Waits.NO_ROOM}
)


def _bound(books: Books, lane: LaneView, found: AnyFound) -> AnyFound:
    """With the name of the one node that may run it, where that is why it waits."""
    if found is None or lane.node is None or found.code not in _OF_ITS_NODE:
        return found
    node = books.nodes.get(lane.node)
    return replace(found, words=f"Only {node.name if node else 'a node that is gone'} may run it, and {found.words}")


def _around(books: Books, lane: LaneView) -> Sequence[NodeView]:
    """The nodes that may run it."""
    return [node for node in books.view.nodes if lane.node in (None, node.id)]


def _workers(books: Books) -> Found:
    view = books.view
    return None if view.workers_alive else Waiting(code=Waits.NO_WORKER, words="No worker is running")


def _paused(books: Books, lane: LaneView) -> Found:
    rule = books.view.agents.get(lane.agent) if lane.agent is not None else None
    if rule and rule.paused:
        return Waiting(code=Waits.PAUSED, words=rule.paused)
    if not books.left(lane):
        paused = min(priority for priority in lane.queues if priority in books.view.paused)
        return Waiting(code=Waits.PAUSED, words=books.view.paused[paused])
    enabled = [books.rule(model) for model in lane.models if books.rule(model).enabled]
    if enabled and all(rule.paused for rule in enabled):
        return Waiting(code=Waits.PAUSED, words=enabled[0].paused)
    return None


def _limits(books: Books, lane: LaneView) -> Found:
    agent = lane.agent
    if agent is None or books.agent_room(agent):
        return _user_limit(books, lane)
    most = books.view.agents[agent].max_concurrent
    words = f"Agent limit {books.agents[agent]}/{most}"
    return _limited(books, Waits.AGENT_LIMIT, words, most, lambda run: run.agent == agent)


def _user_limit(books: Books, lane: LaneView) -> Found:
    share = books.at_user_limit.get(lane.id)
    if share is None:
        return None
    rule = books.view.shares[share]
    words = f"Limit of user {rule.name} {books.shares[share]}/{rule.max_concurrent}"
    return _limited(books, Waits.USER_LIMIT, words, rule.max_concurrent or 0, lambda run: run.share == share)


def _limited(books: Books, code: Waits, words: str, most: int, counts: Callable[[Run], bool]) -> Waiting:
    """A limit that is reached: the next one starts when one of those it counts ends."""
    known = [
        (node, run) for node in books.view.nodes for run in node.runs if counts(run) and _known(books, run.variant)
    ]
    if not known:
        return Waiting(code=code, words=words)
    means = [books.view.estimates.run(node.id, run.variant.model) for node, run in known]
    return Waiting(
        code=code,
        words=words,
        next_seconds=min(books.seconds_left(node, run) for node, run in known),
        per_second=most / max(0.001, fmean(means)),
    )


def _models(books: Books, lane: LaneView) -> Found:
    """What the team or the disks say about the models."""
    enabled = [model for model in lane.models if books.rule(model).enabled and not books.rule(model).paused]
    if not enabled:
        return Waiting(code=Waits.DISABLED, words=f"Model disabled: {', '.join(lane.models)}")
    installed = [model for model in enabled if any(model in node.installed for node in _around(books, lane))]
    if not installed and (kept := _kept_elsewhere(books, lane, enabled)):
        return kept
    if not installed:
        names = ", ".join(enabled)
        words = f"Not pulled on any node: {names}" if lane.node is None else f"it has not pulled {names}"
        return Waiting(code=Waits.NOT_PULLED, words=words)
    if any(books.model_room(model) for model in installed):
        return None
    model = installed[0]
    most = books.rule(model).max_concurrent or 0
    words = f"{model} at its limit {books.models[model]}/{most}"
    return _limited(books, Waits.MODEL_LIMIT, words, most, lambda run: run.variant.model == model)


def _kept_elsewhere(books: Books, lane: LaneView, models: Sequence[str]) -> Found:
    """When nodes have it, and none of those that it is kept to."""
    model = next((it for it in models if any(it in node.barred for node in _around(books, lane))), None)
    if model is None:
        return None
    allowed = books.rule(model).allowed_nodes
    if lane.node is not None:
        return Waiting(code=Waits.NODE_UNAVAILABLE, words=f"{model} is kept to {_or(allowed)}")
    able = [
        node.name for node in books.view.nodes if model not in node.barred and may_run(allowed, node.name, node.labels)
    ]
    if not able:
        return Waiting(
            code=Waits.NODE_UNAVAILABLE, words=f"{model} is kept to {_or(allowed)}, and there is no such node"
        )
    return Waiting(code=Waits.NOT_PULLED, words=f"{model} is kept to {_or(able)}, where it is not pulled")


def _or(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1][:3]), *names[-1:])))


def _nodes(books: Books, lane: LaneView) -> Found:
    """When every node that has one of the models takes nothing, or could not load it."""
    wanted = books.open_to(lane)
    if any(books.loaders(variant, lane.node) or books.holders(variant, lane.node) for variant in wanted):
        return None
    able = [(node, variant) for variant in wanted for node in _around(books, lane) if variant.model in node.installed]
    if all(node.refuses for node, _ in able):
        words = _first(node.refuses for node, _ in able)
        kept = next((books.rule(it.model).allowed_nodes for _, it in able), ())
        words += f"; {able[0][1].model} is kept to {_or(kept)}" if kept else ""
        return Waiting(code=Waits.NODE_UNAVAILABLE, words=words)
    words = _first(node.refusal(variant) for node, variant in able if not node.refuses)
    return Waiting(code=Waits.LOAD_FAILED, words=words)


def _planned(books: Books, lane: LaneView) -> Found:
    """Its model is on the way; where some node serves it already, that one is what people ask about."""
    wanted = books.open_to(lane)
    if books.places(lane):
        return None
    for node in _around(books, lane):
        plan = books.plans.get(node.id)
        if plan and any(plan.variant.serves(variant) for variant in wanted):
            return _loading(books, node, plan)
    return None


def _loading(books: Books, node: NodeView, plan: Plan) -> Waiting:
    expected = plan.expected.total_seconds()
    begins = plan.loading_since or (books.view.now if node.id in books.decision.starts else None)
    rate, slots = _rate(books, node, plan.variant), books.slots(node, plan.variant)
    if begins:
        left = max(1.0, expected - (books.view.now - begins).total_seconds())
        return Waiting(
            code=Waits.LOADING,
            words=f"{plan.variant.model} is loading on {node.name}",
            next_seconds=left,
            per_second=rate,
            at_once=slots,
            since=begins,
            expected_seconds=expected,
        )
    busy = [f"{books.in_use(node, it)} of {it.model}" for it in plan.victims if books.in_use(node, it)]
    victims = {it.model for it in plan.victims}
    running = [run for run in node.runs if run.variant.model in victims]
    known = all(_known(books, run.variant) for run in running)
    return Waiting(
        code=Waits.DRAINING,
        words=f"{node.name} makes room for {_called(books, plan.variant)}: still running {', '.join(busy)}",
        next_seconds=max(books.seconds_left(node, run) for run in running) + expected if known and running else None,
        per_second=rate,
        at_once=slots,
    )


def _free(books: Books, lane: LaneView) -> Found:
    """A slot is free, and no worker to fill it; or not all of a long queue was looked at, and that follows at once."""
    if not any(books.free_slot(node, variant) is not None for node, variant in books.places(lane)):
        return None
    if books.room > 0:
        return Waiting(code=Waits.BUSY, words="Next in line")
    most = books.view.worker_capacity
    words = f"Workers are full {most}/{most}"
    return _limited(books, Waits.WORKERS_FULL, words, most, lambda run: True)


def _busy(books: Books, lane: LaneView) -> Found:
    """All slots of the nodes that hold one of its models are in use."""
    places = books.places(lane)
    if not places:
        return None
    full = [
        _full(books, node, variant, named=number == 0 or places[number - 1][1].model != variant.model)
        for number, (node, variant) in enumerate(places)
    ]
    lefts = [_left(books, node, variant) for node, variant in places if _known(books, variant)]
    rates = [rate for node, variant in places if (rate := _rate(books, node, variant))]
    return Waiting(
        code=Waits.BUSY,
        words=_short(full),
        next_seconds=min(lefts, default=None),
        per_second=sum(rates) if rates else None,
    )


def _full(books: Books, node: NodeView, variant: Variant, *, named: bool) -> str:
    words = f"{books.in_use(node, variant)}/{books.slots(node, variant)} on {node.name}"
    if named:
        words = f"{variant.model} busy {words}"
    resident = node.resident[variant]
    if node.probe:
        return f"{words}, which has just recovered and takes one task at a time"
    return f"{words}, which others use too" if resident.busy_outside else words


def _short(words: list[str]) -> str:
    more = len(words) - 3
    return ", ".join(words[:3]) + (f" and {more} more node{'s' if more > 1 else ''}" if more > 0 else "")


def _no_room(books: Books, lane: LaneView) -> Waiting:
    able = [(node, wanted) for wanted in books.open_to(lane) for node in books.loaders(wanted, lane.node)]
    free = [(node, wanted) for node, wanted in able if node.id not in books.plans] or able
    node, wanted = next((pair for pair in free if not _pinned_in_the_way(books, *pair)), free[0])
    plan, called = books.plans.get(node.id), _called(books, wanted)
    called += " is on no node" if lane.node is None else " is not in its memory"
    if plan:
        words = f"{called}; {node.name} loads {plan.variant.model} first"
    elif kept := _pinned_in_the_way(books, node, wanted):
        words = f"{called}, and {node.name} has no room beside {', '.join(kept)}, pinned there"
    else:
        names = ", ".join(dict.fromkeys(it.model for it in node.resident)) or "what is there"
        words = f"{called}; {node.name} can load it when {names} is idle{_at_the_latest(books, lane)}"
    return Waiting(code=Waits.NO_ROOM, words=words)


def _pinned_in_the_way(books: Books, node: NodeView, wanted: Variant) -> list[str]:
    """What no waiting displaces, where all that is not pinned would not be enough."""
    others = [it for it in node.resident if not node.is_pinned(it)]
    if len(others) == len(node.resident):
        return []
    enough = victims(node, wanted, others, books.view.parameters.most_loaded) is not None
    return [] if enough else sorted(it.model for it in node.resident if node.is_pinned(it))


def _called(books: Books, wanted: Variant) -> str:
    """With its context where that is what is missing."""
    smaller = any(it.model == wanted.model and not it.serves(wanted) for node in books.live for it in node.resident)
    return f"{wanted.model} with a context of {wanted.num_ctx}" if smaller else wanted.model


def _at_the_latest(books: Books, lane: LaneView) -> str:
    """When something busy is displaced for it."""
    priority = min(books.left(lane))
    patience = books.view.parameters.patience[priority]
    if books.view.now - lane.queues[priority].oldest < patience:
        return f", and makes room after {round(patience.total_seconds())} s of waiting"
    return ", or has been there long enough"


def _known(books: Books, variant: Variant) -> bool:
    return books.view.estimates.knows_runs(variant.model)


def _rate(books: Books, node: NodeView, variant: Variant) -> float | None:
    """Tasks a second that start there when all its slots are in use."""
    if not _known(books, variant):
        return None
    return books.slots(node, variant) / max(0.001, books.view.estimates.run(node.id, variant.model))


def _left(books: Books, node: NodeView, variant: Variant) -> float:
    """Seconds until the first of its runs ends; nothing where none runs."""
    return min((books.seconds_left(node, run) for run in node.runs if run.variant.model == variant.model), default=0.0)


def _first(words: Iterable[str]) -> str:
    return next(iter(words), "No node can take it")

"""What is in use while a decision is being made: the view, plus everything decided so far."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from orchestration.policy.decision import Decision
from orchestration.policy.estimates import slowdown
from orchestration.policy.fleet import FleetView, LaneView, ModelRule, NodeView, Plan, Run, Upcoming, Variant

_NO_RULE = ModelRule()
UNLIMITED = 1_000_000


class Books:
    """Belongs to one call of ``decide``."""

    def __init__(self, view: FleetView) -> None:
        self.view = view
        self.decision = Decision()
        self.nodes = {node.id: node for node in view.nodes}
        self.used: dict[int, dict[str, set[int]]] = {node.id: _used(node.runs) for node in view.nodes}
        """Slot numbers by node and model: a server runs a model once, whatever context the calls were sent with."""
        self.live = [node for node in view.nodes if not node.refuses]
        self.plans: dict[int, Plan] = {node.id: node.plan for node in view.nodes if node.plan}
        """To be changed by ``commit`` and ``drop`` only."""
        self._near = _near(self.live, self.plans)
        self._holders: dict[Variant, tuple[NodeView, ...]] = {}
        self._loaders: dict[Variant, tuple[NodeView, ...]] = {}
        self._wanted: dict[tuple[int, str], Variant] = {}
        self.models = Counter({name: rule.in_flight for name, rule in view.models.items()})
        self.agents = Counter({agent: rule.in_flight for agent, rule in view.agents.items()})
        self.shares = Counter({share: rule.in_flight for share, rule in view.shares.items()})
        self.service = _service(view)
        self.room = view.worker_room
        self.taken: Counter[tuple[int, int]] = Counter()
        """Grants by (lane, priority)."""
        self.queued: dict[str, int] = {}
        """By model: the smallest context that a waiting task needs. Known once FILL is done."""
        self.queued_on: dict[tuple[int, str], int] = {}
        """The same by node and model, for tasks that no other node may run."""
        self.busy: dict[int, dict[Variant, bool]] = {}
        """By node: which of its variants are busy. Kept while loads are placed."""
        self.any_user_limit = any(not self.was_open(share) for share in view.shares)
        self.forsaken: dict[str, set[int]] = {}
        """By model: nodes that hold it, but where a task failed that insists on another one."""
        self.at_user_limit: dict[int, int] = {}
        """By lane: a user whose limit is all that keeps its tasks from starting."""
        for share, service in self.service.items():
            if share not in view.shares or service != view.shares[share].service:
                self.decision.service[share] = service

    def rule(self, model: str) -> ModelRule:
        return self.view.models.get(model, _NO_RULE)

    def wanted(self, asker: LaneView | Upcoming, model: str) -> Variant:
        """What the lane needs: Ollama cuts a context to the one the model was trained with."""
        known = self._wanted.get((asker.num_ctx, model))
        if known is None:
            most = self.rule(model).context_length
            known = Variant(model=model, num_ctx=min(asker.num_ctx, most) if most else asker.num_ctx)
            self._wanted[asker.num_ctx, model] = known
        return known

    def open_to(self, asker: LaneView | Upcoming) -> list[Variant]:
        """What may serve the lane now, the preferred first."""
        return [self.wanted(asker, model) for model in asker.models if self.model_open(model)]

    def places(self, lane: LaneView) -> list[tuple[NodeView, Variant]]:
        """Where something that serves the lane is in memory and stays."""
        return [
            (node, variant)
            for wanted in self.open_to(lane)
            for node in self.holders(wanted, lane.node)
            if (variant := self.serving(node, wanted))
        ]

    def model_open(self, model: str) -> bool:
        rule = self.rule(model)
        return rule.enabled and not rule.paused and self.model_room(model) > 0

    def model_room(self, model: str) -> int:
        """How many more requests for it may be in flight."""
        most = self.rule(model).max_concurrent
        return UNLIMITED if most is None else max(0, most - self.models[model])

    def agent_room(self, agent: int | None) -> int:
        rule = self.view.agents.get(agent) if agent is not None else None
        if agent is None or rule is None:
            return UNLIMITED
        return 0 if rule.paused else max(0, rule.max_concurrent - self.agents[agent])

    def share_room(self, share: int) -> bool:
        rule = self.view.shares.get(share)
        return rule is None or rule.max_concurrent is None or self.shares[share] < rule.max_concurrent

    def was_open(self, share: int) -> bool:
        """Whether the user was below the limit when the decision began."""
        rule = self.view.shares.get(share)
        return rule is None or rule.max_concurrent is None or rule.in_flight < rule.max_concurrent

    def anybody(self, lane: LaneView, priority: int) -> bool:
        """Whether any of these tasks belongs to somebody who may start one more."""
        heads = self.view.heads(lane.id, priority, 1)
        limited = [head.share for head in heads if not self.share_room(head.share)]
        if heads and len(limited) == len(heads):
            self.at_user_limit.setdefault(lane.id, limited[0])
        return len(limited) < len(heads)

    def left(self, lane: LaneView) -> dict[int, int]:
        """How many tasks still wait, by priority, without those that are paused or were granted just now."""
        counts = {
            priority: queue.count - self.taken[lane.id, priority]
            for priority, queue in sorted(lane.queues.items())
            if priority not in self.view.paused
        }
        return {priority: count for priority, count in counts.items() if count > 0}

    def serving(self, node: NodeView, wanted: Variant) -> Variant | None:
        """The resident variant of the node that serves the wanted one and is not about to leave."""
        plan = self.plans.get(node.id)
        for variant in node.resident:
            if variant.serves(wanted) and wanted.model in node.installed:
                return None if plan and variant in plan.victims else variant
        return None

    def slots(self, node: NodeView, variant: Variant) -> int:
        """One less while others use the model, but never none: nobody knows how long they go on."""
        resident = node.resident.get(variant)
        if resident is None:
            return node.slots(variant.model)
        return max(1, resident.slots - int(resident.busy_outside))

    def in_use(self, node: NodeView, variant: Variant) -> int:
        return len(self.used[node.id].get(variant.model, ()))

    def free_slot(self, node: NodeView, variant: Variant) -> int | None:
        """The lowest slot number nobody holds; None when all that may be used are in use."""
        used = self.used[node.id].get(variant.model, set())
        if len(used) >= self.slots(node, variant) or (node.probe and any(self.used[node.id].values())):
            return None
        return next(number for number in range(len(used) + 1) if number not in used)

    def slowdown(self, node: NodeView, variant: Variant) -> float:
        """Of one more run there, from what runs there already."""
        others = sum(1 for other, slots in self.used[node.id].items() if other != variant.model and slots)
        return slowdown(self.in_use(node, variant), others)

    def seconds_left(self, node: NodeView, run: Run) -> float:
        """Answers have heavy tails: one that is overdue takes about half as long again as it took so far."""
        elapsed = (self.view.now - run.since).total_seconds()
        return max(self.view.estimates.run(node.id, run.variant.model) - elapsed, elapsed / 2)

    def holders(self, wanted: Variant, only: int | None = None) -> tuple[NodeView, ...]:
        """Nodes where the variant is loaded and stays, is being loaded, or is planned. ``only``: of this one node."""
        if wanted not in self._holders:
            near = self._near.get(wanted.model, {}).values()
            self._holders[wanted] = tuple(node for node in near if self._holds(node, wanted))
        return _only(self._holders[wanted], only)

    def _holds(self, node: NodeView, wanted: Variant) -> bool:
        plan = self.plans.get(node.id)
        return bool(self.serving(node, wanted) or (plan and plan.variant.serves(wanted)))

    def loaders(self, wanted: Variant, only: int | None = None) -> tuple[NodeView, ...]:
        """Nodes that have it on their disk and may load it, whatever they hold now. ``only``: of this one node."""
        if wanted not in self._loaders:
            self._loaders[wanted] = tuple(node for node in self.live if node.could_load(wanted))
        return _only(self._loaders[wanted], only)

    def commit(self, node_id: int, plan: Plan) -> None:
        self.plans[node_id] = plan
        self._near.setdefault(plan.variant.model, {})[node_id] = self.nodes[node_id]
        self._holders.clear()

    def drop(self, node_id: int) -> Plan:
        self._holders.clear()
        return self.plans.pop(node_id)


def _only(nodes: tuple[NodeView, ...], node_id: int | None) -> tuple[NodeView, ...]:
    return nodes if node_id is None else tuple(node for node in nodes if node.id == node_id)


def _near(nodes: Sequence[NodeView], plans: Mapping[int, Plan]) -> dict[str, dict[int, NodeView]]:
    """By model: the nodes that have it in memory or are to load it, with whatever context."""
    near: dict[str, dict[int, NodeView]] = defaultdict(dict)
    for node in nodes:
        for variant in node.resident:
            near[variant.model][node.id] = node
        if node.id in plans:
            near[plans[node.id].variant.model][node.id] = node
    return near


def _used(runs: Sequence[Run]) -> dict[str, set[int]]:
    used: dict[str, set[int]] = defaultdict(set)
    for run in runs:
        used[run.variant.model].add(run.slot)
    return used


def _service(view: FleetView) -> dict[int, float]:
    """The accounts of those who have anything unfinished.

    Who was away does not save up: they start level with the one who has received the least of those who were here all
    the time, and everybody starts level where nobody was. Who was here, but had nothing that could start, does not
    save up more than the credit.
    """
    accounts = {share: _account(view, share) for share in view.waiting_shares}
    stayed = [service for share, service in accounts.items() if _active(view, share)]
    level = min(stayed) if stayed else max(accounts.values(), default=0.0)
    floor = max(accounts.values(), default=0.0) - view.parameters.credit
    return {
        share: max(service, floor) if _active(view, share) else max(service, floor, level)
        for share, service in accounts.items()
    }


def _account(view: FleetView, share: int) -> float:
    return view.shares[share].service if share in view.shares else 0.0


def _active(view: FleetView, share: int) -> bool:
    return share in view.shares and view.shares[share].active

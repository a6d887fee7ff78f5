"""A fleet that lives: decisions are carried out second by second, on servers whose runs and loads take their time."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from orchestration.policy.decision import Decision
from orchestration.policy.fleet import (
    ClassQueue,
    FleetView,
    Head,
    LaneView,
    NodeView,
    Parameters,
    Plan,
    Resident,
    Run,
    ShareRule,
    Variant,
)
from orchestration.policy.placement import decide
from tests.policy.fleets import GB, NOW


@dataclass(kw_only=True)
class Job:
    """``begins``: second at which it could start; ``takes``: seconds on a server."""

    id: int
    lane: int
    priority: int
    share: int
    begins: int
    takes: int
    started: int | None = None
    ended: int | None = None
    preempted: bool = False

    @property
    def waited(self) -> int:
        """Without end where it never started."""
        return 10**9 if self.started is None else self.started - self.begins


@dataclass
class World:
    nodes: list[NodeView]
    lanes: list[LaneView]
    """Their queues are made from the jobs."""
    jobs: list[Job]
    load_seconds: int = 3
    now: int = 0
    loads: int = 0
    running: dict[int, tuple[int, Run]] = field(default_factory=dict)
    """By job: node and run."""
    service: dict[int, float] = field(default_factory=dict)
    parameters: Parameters = field(default_factory=Parameters)

    def live(self, seconds: int) -> None:
        for _ in range(seconds):
            if all(job.ended is not None for job in self.jobs):
                return
            self.step()

    def step(self) -> Decision:
        self._end_runs()
        self.nodes = [self._after_load(node) for node in self.nodes]
        decision = decide(self.view())
        self._carry_out(decision)
        self.now += 1
        return decision

    def view(self) -> FleetView:
        shares = {job.share for job in self.jobs}
        return FleetView(
            now=NOW + timedelta(seconds=self.now),
            nodes=[replace(node, runs=self._runs(node.id)) for node in self.nodes],
            lanes=[replace(lane, queues=queues) for lane in self.lanes if (queues := self._queues(lane.id))],
            heads=self._heads,
            shares={share: ShareRule(service=self.service.get(share, 0.0), active=True) for share in shares},
            waiting_shares=frozenset(shares),
            worker_room=1000,
            worker_capacity=1000,
            workers_alive=1,
            parameters=self.parameters,
        )

    def _waiting(self, lane: int) -> list[Job]:
        ready = (job for job in self.jobs if job.lane == lane and job.begins <= self.now)
        return [job for job in ready if job.started is None]

    def _queues(self, lane: int) -> dict[int, ClassQueue]:
        queues: dict[int, ClassQueue] = {}
        for priority in range(3):
            begun = [job.begins for job in self._waiting(lane) if job.priority == priority]
            if begun:
                queues[priority] = ClassQueue(count=len(begun), oldest=NOW + timedelta(seconds=min(begun)))
        return queues

    def _heads(self, lane: int, priority: int, most: int) -> list[Head]:
        jobs = [job for job in self._waiting(lane) if job.priority == priority]
        return [Head(task_id=it.id, share=it.share, line_at=NOW + timedelta(seconds=it.begins)) for it in jobs]

    def _runs(self, node: int) -> list[Run]:
        return [run for at, run in self.running.values() if at == node]

    def _end_runs(self) -> None:
        for job in self.jobs:
            if job.started is not None and job.ended is None and self.now >= job.started + job.takes:
                job.ended = self.now
                del self.running[job.id]

    def _after_load(self, node: NodeView) -> NodeView:
        plan = node.plan
        now = NOW + timedelta(seconds=self.now)
        if plan is None or plan.loading_since is None or now < plan.loading_since + plan.expected:
            return node
        slots = node.slots(plan.variant.model)
        loaded = Resident(size_bytes=node.known_bytes.get(plan.variant, 10 * GB), slots=slots, since=now)
        return replace(node, plan=None, resident={**node.resident, plan.variant: loaded})

    def _carry_out(self, decision: Decision) -> None:
        by_id = {job.id: job for job in self.jobs}
        self.service |= decision.service
        for grant in decision.grants:
            job = by_id[grant.task_id]
            job.started = self.now
            variant = Variant(model=grant.model, num_ctx=grant.num_ctx)
            since = NOW + timedelta(seconds=self.now)
            run = Run(attempt_id=job.id, variant=variant, slot=grant.slot, since=since, priority=job.priority)
            self.running[job.id] = grant.node_id, replace(run, preempted=job.preempted)
        for abort in decision.aborts:
            del self.running[abort.attempt_id]
            by_id[abort.attempt_id].started, by_id[abort.attempt_id].preempted = None, True
        plans = {it.node_id: it.plan for it in decision.plans}
        self.nodes = [self._planned(node, decision, plans.get(node.id)) for node in self.nodes]

    def _planned(self, node: NodeView, decision: Decision, made: Plan | None) -> NodeView:
        plan = made or (None if node.id in decision.withdrawn else node.plan)
        if plan is None or node.id not in decision.starts:
            return replace(node, plan=plan)
        self.loads += 1
        since, expected = NOW + timedelta(seconds=self.now), timedelta(seconds=self.load_seconds)
        left = {it: resident for it, resident in node.resident.items() if it not in plan.victims}
        return replace(node, plan=replace(plan, loading_since=since, expected=expected), resident=left)

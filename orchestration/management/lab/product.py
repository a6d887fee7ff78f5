"""Drover itself in the laboratory: its own decisions, from what it would see, carried out on simulated nodes."""

from collections import Counter
from dataclasses import dataclass, field, replace

from orchestration.management.lab.learning import Learned, call_of, variant
from orchestration.management.lab.line import Line, moment
from orchestration.management.lab.peers import FOREVER
from orchestration.management.lab.simulation import Scheduler
from orchestration.management.lab.strangers import Watch
from orchestration.management.lab.work import LabTask
from orchestration.policy.decision import Abort, Grant
from orchestration.policy.fleet import FleetView, NodeView, Parameters, Plan, Resident, Run, ShareRule, Variant
from orchestration.policy.outsiders import Ours
from orchestration.policy.placement import decide
from orchestration.policy.states import Priority

GB = 1_000_000_000
WORKERS = 1_000_000
"""Room for all: what workers can hold is no part of these workloads."""
AWAY = "not reachable"


@dataclass(slots=True)
class _Running:
    """A task that holds a slot, with what was charged for it."""

    task: LabTask
    run: Run
    charged: float


@dataclass(slots=True)
class _Node:
    """What Drover keeps about a node. ``suspect``: a call has just failed there, nothing is sent until it answers."""

    installed: frozenset[str]
    sizes: dict[str, int]
    known_bytes: dict[Variant, int]
    resident: set[str] = field(default_factory=set)
    loaded_at: dict[str, float] = field(default_factory=dict)
    """When Drover loaded what it has loaded and is still there."""
    last_used: dict[str, float] = field(default_factory=dict)
    plan: Plan | None = None
    load_began: float = 0.0
    suspect: bool = False
    watch: Watch = field(default_factory=Watch)

    def ours(self, in_flight: Counter[str]) -> Ours:
        """What Drover did there since the last look."""
        since = self.watch.since
        loading = {self.plan.variant.model} if self.plan and self.plan.loading_since else set()
        return Ours(
            used={model for model, at in self.last_used.items() if at >= since},
            in_flight={model for model, count in in_flight.items() if count},
            loads=loading | {model for model, at in self.loaded_at.items() if at >= since},
        )


class Product(Scheduler):
    def __init__(self, parameters: Parameters | None = None) -> None:
        self._parameters = parameters or Parameters()

    def start(self) -> None:
        models = self.sim.models
        sizes = {name: round(model.gb * GB) for name, model in models.items()}
        known = {variant(name): size for name, size in sizes.items()}
        fitting = [
            frozenset(name for name in models if self.sim.fits(node, name)) for node in range(len(self.sim.nodes))
        ]
        self._nodes = [_Node(installed, sizes, known) for installed in fitting]
        self._slots = max(model.parallel for model in models.values())
        """As many as people have set for all nodes; models that take one request at a time are known."""
        self._single_slot = frozenset(name for name, model in models.items() if model.parallel == 1)
        self._line, self._learned = Line(), Learned()
        self._waiting: dict[int, LabTask] = {}
        self._running: dict[int, _Running] = {}
        self._preempted: set[int] = set()
        self._service: dict[int, float] = {}
        self._unfinished: Counter[int] = Counter()
        """Tasks by share."""
        self._active: frozenset[int] = frozenset()
        self._due = False

    def arrived(self, task: LabTask) -> None:
        self._unfinished[self._line.share(task.user)] += 1
        self._wait(task)
        self._wake()

    def ended(self, task: LabTask) -> None:
        running = self._running.pop(task.id)
        call = call_of(task, running.run, self.sim.in_flight[task.node])
        self._learned.ran(task, call, self._slots)
        self._service[running.run.share] += call.work - running.charged
        self._unfinished[running.run.share] -= 1
        self._nodes[task.node].last_used[task.model] = self.sim.now
        self._wake()

    def failed(self, task: LabTask, node: int) -> None:
        self._nodes[node].suspect = True
        self._take_back(task, avoid=node)
        self._wake()

    def loaded(self, node: int, model: str) -> None:
        mine = self._nodes[node]
        if mine.plan and mine.plan.loading_since and mine.plan.variant.model == model:
            mine.plan = None
            mine.resident.add(model)
            mine.loaded_at[model] = self.sim.now
            self._learned.loaded(node, model, self.sim.now - mine.load_began)
        self._wake()

    def load_failed(self, node: int, model: str) -> None:
        self._nodes[node].plan = None
        self._nodes[node].suspect = True
        self._wake()

    def health_changed(self, node: int) -> None:
        mine = self._nodes[node]
        mine.plan = None
        mine.resident.clear()
        mine.loaded_at.clear()
        self._wake()

    def polled(self) -> None:
        """Others load and evict, too."""
        for number, mine in enumerate(self._nodes):
            if self.sim.answers[number]:
                self._look(number, mine)
            else:
                mine.watch.lost()
        self._wake()

    def _look(self, number: int, mine: _Node) -> None:
        now, listed, in_flight = self.sim.now, self.sim.resident[number], self.sim.in_flight[number]
        mine.suspect = False
        findings = mine.watch.look(listed, mine.sizes, mine.ours(in_flight), now)
        mine.watch.reserve(findings, max(mine.loaded_at.values(), default=None), now)
        mine.resident = {*listed, *(model for model in mine.resident if in_flight[model])}
        for gone in [model for model in mine.loaded_at if model not in mine.resident]:
            del mine.loaded_at[gone]

    def _resident(self, node: int, model: str) -> Resident:
        mine = self._nodes[node]
        loaded, used = mine.loaded_at.get(model), mine.last_used.get(model)
        most = 1 if model in self._single_slot else self._slots
        return Resident(
            size_bytes=mine.sizes[model],
            slots=self._learned.slots(node, model, most),
            since=None if loaded is None else moment(loaded),
            last_used=None if used is None else moment(used),
            busy_outside=mine.watch.is_busy(model, self.sim.now),
        )

    def _wait(self, task: LabTask, avoid: int | None = None) -> None:
        self._waiting[task.id] = task
        self._line.add(task, avoid)

    def _take_back(self, task: LabTask, avoid: int | None = None) -> None:
        running = self._running.pop(task.id)
        self._service[running.run.share] -= running.charged
        self._wait(task, avoid)

    def _wake(self) -> None:
        """What happens at the same moment is decided about once."""
        if not self._due:
            self._due = True
            self.sim.at(self.sim.now, self._decide)

    def _decide(self) -> None:
        self._due = False
        unfinished = frozenset(share for share, count in self._unfinished.items() if count)
        decision = decide(self._view(unfinished))
        self._active = unfinished
        self._service.update(decision.service)
        for grant in decision.grants:
            self._grant(grant)
        for node in decision.withdrawn:
            self._nodes[node].plan = None
        for planned in decision.plans:
            self._nodes[planned.node_id].plan = planned.plan
        for abort in decision.aborts:
            self._abort(abort)
        for node in decision.starts:
            self._load(node)

    def _grant(self, grant: Grant) -> None:
        task = self._waiting.pop(grant.task_id)
        self._line.remove(task)
        run = Run(
            attempt_id=task.id,
            variant=Variant(model=grant.model, num_ctx=grant.num_ctx),
            slot=grant.slot,
            since=moment(self.sim.now),
            priority=task.priority,
            preempted=task.id in self._preempted,
            share=grant.share,
        )
        self._running[task.id] = _Running(task, run, grant.tokens)
        if task.priority == Priority.HIGH:
            self._learned.started_high(grant.model, self.sim.now)
        self._nodes[grant.node_id].last_used[grant.model] = self.sim.now
        self.sim.send(task, grant.node_id, grant.model, FOREVER)

    def _abort(self, abort: Abort) -> None:
        running = self._running.get(abort.attempt_id)
        if running and self.sim.abort(running.task):
            self._preempted.add(running.task.id)
            self._take_back(running.task)
            self._wake()

    def _load(self, number: int) -> None:
        mine = self._nodes[number]
        if mine.plan is None:
            return
        mine.plan = replace(mine.plan, loading_since=moment(self.sim.now))
        mine.load_began = self.sim.now
        for victim in mine.plan.victims:
            mine.resident.discard(victim.model)
            mine.loaded_at.pop(victim.model, None)
            self.sim.nodes[number].unload(victim.model)
        self.sim.nodes[number].submit(None, mine.plan.variant.model, FOREVER)

    def _view(self, unfinished: frozenset[int]) -> FleetView:
        return FleetView(
            now=moment(self.sim.now),
            nodes=[self._node_view(number) for number in range(len(self._nodes))],
            lanes=self._line.lanes(),
            heads=self._line.heads,
            shares={
                share: ShareRule(service=self._service.get(share, 0.0), active=share in self._active)
                for share in unfinished | self._active
            },
            waiting_shares=unfinished,
            estimates=self._learned.estimates,
            high_rate=self._learned.high_rates(self.sim.now),
            worker_room=WORKERS,
            worker_capacity=WORKERS,
            workers_alive=1,
            parameters=self._parameters,
        )

    def _node_view(self, number: int) -> NodeView:
        mine, numbers = self._nodes[number], self.sim.nodes[number].numbers
        return NodeView(
            id=number,
            name=f"node{number}",
            installed=mine.installed,
            resident={variant(model): self._resident(number, model) for model in sorted(mine.resident)},
            runs=[running.run for running in self._running.values() if running.task.node == number],
            plan=mine.plan,
            slots_per_model=self._slots,
            single_slot=self._single_slot,
            refuses=AWAY if mine.suspect or not self.sim.up[number] else "",
            vram_bytes=round(numbers.vram_gb * GB),
            reserved_bytes=mine.watch.reserved(self.sim.now),
            size_bytes=mine.sizes,
            known_bytes=mine.known_bytes,
        )

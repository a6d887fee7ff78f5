"""The eight workloads (nine columns) of SCHEDULING, drawn from a seed: the same tasks for every scheduler."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from orchestration.management.lab.simulation import Fault, Workload
from orchestration.management.lab.work import LabModel, LabTask, Models, NodeNumbers

SPREAD = 0.9
"""Sigma of the log-normal length of answers."""
SHORTEST, LONGEST = 4.0, 4000.0
MEAN_OUTPUT = 250.0
PROMPT_WORK = (10, 60)
MEAN_WORK = 285
"""Output and prompt together, in output tokens."""
FIRST_OUTSIDER = 10**6
"""The ids of tasks that are not ours start after this one."""

Draw = random.Random
PriorityDraw = Callable[[Draw], int]


def workloads(scale: float = 1.0) -> dict[str, Workload]:
    """``scale`` multiplies the number of tasks and the time in which they come."""
    return {
        "W1": _one_model(scale),
        "W2a": _zipf_models(scale, 0.70),
        "W2b": _zipf_models(scale, 0.95),
        "W3": _two_batches(scale),
        "W4": _workflows(scale),
        "W5": _mixed_nodes(scale),
        "W6": _thrash(scale),
        "W7": _dump(scale),
        "W8": _outsiders(scale),
    }


TITLES = {
    "W1": "one model on three nodes, 80 % load",
    "W2a": "six models, two fit a node, three nodes, 70 % load",
    "W2b": "the same at 95 % load",
    "W3": "two batches of 500, interactive calls above them, a rare model",
    "W4": "workflows of several models on two nodes",
    "W5": "four unlike nodes, one fails and comes back, 75 % load",
    "W6": "eight models in turn on two nodes, two fit each",
    "W7": "one user dumps 800 tasks, four others come and go",
    "W8": "six models, 60 % load, a stranger calls one node directly",
}


def _models(*numbers: tuple[str, float, float, int]) -> dict[str, LabModel]:
    return {row[0]: LabModel(*row) for row in numbers}


def _nodes(*vram: float) -> list[NodeNumbers]:
    return [NodeNumbers(vram_gb=gb) for gb in vram]


def _zipf(count: int) -> list[float]:
    return [1 / (rank + 1) for rank in range(count)]


def _task(
    draw: Draw,
    number: int,
    at: float,
    *models: str,
    mean: float = MEAN_OUTPUT,
    workflow_at: float | None = None,
    **more: Any,
) -> LabTask:
    length = draw.lognormvariate(math.log(mean) - SPREAD * SPREAD / 2, SPREAD)
    return LabTask(
        id=number,
        born=at,
        ready=at,
        models=models,
        output_tokens=min(LONGEST, max(SHORTEST, length)),
        prompt_work=draw.uniform(*PROMPT_WORK),
        workflow_at=at if workflow_at is None else workflow_at,
        **{"user": "u", "priority": 1, **more},
    )


def _mixed_priority(draw: Draw) -> int:
    return draw.choices((0, 1, 2), (1, 6, 3))[0]


def _always_normal(draw: Draw) -> int:
    return 1


def _poisson(
    models: Models,
    nodes: Sequence[NodeNumbers],
    count: int,
    load: float,
    popularity: Sequence[float],
    *,
    priority: PriorityDraw = _mixed_priority,
    in_turn: bool = False,
    users: int = 8,
) -> Callable[[Draw], list[LabTask]]:
    """Tasks of that many users at ``load`` of what all nodes do with one full batch each."""
    total = sum(popularity)
    seconds = sum(
        share / total * MEAN_WORK / model.batch_rate for model, share in zip(models.values(), popularity, strict=True)
    )
    rate = load * sum(node.speed for node in nodes) / seconds
    names, people = list(models), [f"u{number}" for number in range(users)]

    def tasks(draw: Draw) -> list[LabTask]:
        at, made = 0.0, []
        for number in range(count):
            at += draw.expovariate(rate)
            model = names[number % len(names)] if in_turn else draw.choices(names, popularity)[0]
            user = draw.choices(people, _zipf(users))[0]
            cls = priority(draw)
            made.append(_task(draw, number, at, model, user=user, priority=cls))
        return made

    return tasks


def _one_model(scale: float) -> Workload:
    models, nodes = _models(("llama8", 7, 60, 4)), _nodes(24, 24, 24)
    return Workload(models=models, nodes=nodes, tasks=_poisson(models, nodes, int(1500 * scale), 0.8, [1]))


def _six_models() -> dict[str, LabModel]:
    return _models(*((f"m{number}", 11 - 0.3 * number, 35 + 5 * number, 4) for number in range(6)))


def _zipf_models(scale: float, load: float) -> Workload:
    models, nodes = _six_models(), _nodes(24, 24, 24)
    return Workload(models=models, nodes=nodes, tasks=_poisson(models, nodes, int(2000 * scale), load, _zipf(6)))


def _two_batches(scale: float) -> Workload:
    size = int(500 * scale)

    def tasks(draw: Draw) -> list[LabTask]:
        made = []
        for number in range(2 * size):
            at, model, user = (0.0, "A", "team1") if number < size else (5.0, "B", "team2")
            made.append(_task(draw, number, at, model, mean=300, user=user, priority=2))
        at = 0.0
        while at < 700 * scale:
            at += draw.expovariate(0.15)
            model = "chat" if draw.random() < 0.7 else "A"
            made.append(_task(draw, len(made), at, model, mean=150, user="live", priority=0))
        for _ in range(int(16 * scale)):
            at = draw.uniform(20, 700) * scale
            made.append(_task(draw, len(made), at, "rare", user="solo"))
        return made

    models = _models(("A", 11, 45, 4), ("B", 11, 45, 4), ("chat", 8, 60, 4), ("rare", 11, 40, 4))
    return Workload(models=models, nodes=_nodes(24, 24, 24), tasks=tasks)


class _Workflow:
    """Adds steps to a list, each after its parents."""

    def __init__(self, draw: Draw, made: list[LabTask], at: float, user: str, priority: int) -> None:
        self._draw, self._made, self._at, self._user, self._priority = draw, made, at, user, priority

    def step(self, models: str | tuple[str, ...], mean: float, *parents: LabTask) -> LabTask:
        names = (models,) if isinstance(models, str) else models
        number, at = len(self._made), self._at
        task = _task(self._draw, number, at, *names, mean=mean, user=self._user, priority=self._priority)
        task.parents_left = len(parents)
        self._made.append(task)
        for parent in parents:
            parent.children.append(task)
        return task

    def chain(self) -> None:
        last = self.step("emb", 20)
        for models in ("A", "B", "A", ("B", "C")):
            last = self.step(models, 200, last)

    def fan_out(self) -> None:
        first = self.step("A", 200)
        parts = [self.step("B" if part < 4 else ("C", "B"), 200, first) for part in range(6)]
        self.step("A", 300, *parts)


def _workflows(scale: float) -> Workload:
    def tasks(draw: Draw) -> list[LabTask]:
        made: list[LabTask] = []
        at = 0.0
        for _ in range(int(110 * scale)):
            at += draw.expovariate(1 / 20.0)
            user = f"u{draw.randrange(5)}"
            workflow = _Workflow(draw, made, at, user, _mixed_priority(draw))
            if draw.random() < 0.5:
                workflow.chain()
            else:
                workflow.fan_out()
        return made

    models = _models(("A", 12, 40, 4), ("B", 11, 45, 4), ("C", 11, 50, 4), ("emb", 1, 400, 1))
    return Workload(models=models, nodes=_nodes(16, 16), tasks=tasks)


def _mixed_nodes(scale: float) -> Workload:
    models = _models(("A", 10, 40, 4), ("B", 10, 50, 4), ("C", 10, 60, 4))
    nodes = [*_nodes(24, 24), NodeNumbers(vram_gb=24, speed=0.5), NodeNumbers(vram_gb=12, speed=0.25)]
    faults = [Fault(at=250 * scale, node=0, recovers=False), Fault(at=550 * scale, node=0, recovers=True)]
    tasks = _poisson(models, nodes, int(1500 * scale), 0.75, _zipf(3))
    return Workload(models=models, nodes=nodes, tasks=tasks, faults=faults)


def _thrash(scale: float) -> Workload:
    models, nodes = _models(*((f"x{number}", 11, 45, 4) for number in range(8))), _nodes(24, 24)
    count = int(1000 * scale)
    tasks = _poisson(models, nodes, count, 0.60, [1] * 8, priority=_always_normal, in_turn=True)
    return Workload(models=models, nodes=nodes, tasks=tasks)


def _dump(scale: float) -> Workload:
    def tasks(draw: Draw) -> list[LabTask]:
        made = [_task(draw, number, 0.0, "llama8", user="bulk") for number in range(int(800 * scale))]
        at = 0.0
        while at < 500 * scale:
            at += draw.expovariate(0.45)
            made.append(_task(draw, len(made), at, "llama8", user=f"u{draw.randrange(4)}"))
        return made

    return Workload(models=_models(("llama8", 7, 60, 4)), nodes=_nodes(24, 24, 24), tasks=tasks)


def _outsiders(scale: float) -> Workload:
    models, nodes = _six_models(), _nodes(24, 24, 24)
    ours = _poisson(models, nodes, int(1500 * scale), 0.6, _zipf(6))

    def tasks(draw: Draw) -> list[LabTask]:
        made = ours(draw)
        end, at, number = made[-1].ready, 60.0, FIRST_OUTSIDER
        while at < end:
            for _ in range(draw.randrange(1, 5)):
                number += 1
                made.append(_task(draw, number, at, "ext", mean=200, user="out", outsider=True))
            at += draw.expovariate(1 / 60.0)
        return made

    return Workload(models={**models, **_models(("ext", 12, 40, 4))}, nodes=nodes, tasks=tasks)


def _interleaved() -> Workload:
    """Two of the six models fit a node; four users, who all ask for everything."""
    models, nodes = _six_models(), _nodes(24, 24, 24)
    tasks = _poisson(models, nodes, 300, 0.70, _zipf(6), users=4)
    return Workload(models=models, nodes=nodes, tasks=tasks)


REAL: dict[str, Callable[[], Workload]] = {"mixed": _interleaved, "dump": lambda: _dump(1.0)}
"""What ``bench_fleet`` runs in real time."""
REAL_TITLES = {
    "mixed": "300 tasks of four users for six models, of which two fit each of three nodes",
    "dump": "one user dumps 800 tasks, four others come and go",
}

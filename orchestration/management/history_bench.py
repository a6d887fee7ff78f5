"""What a month of load history takes on a fleet where all is always in use: rows, one write, and every chart."""

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from typing import Any

from django.db.models import Count, Sum
from django.test import Client
from django.utils import timezone

from orchestration.models import Attempt, Lane, LoadChunk, Node, Run, Task, User
from orchestration.payloads import LoadSample, stamp
from orchestration.policy.series import HOURS, MINUTES, Level
from orchestration.policy.states import AttemptStatus, RunKind, TaskStatus
from orchestration.queries.history import RANGES
from orchestration.services import history
from orchestration.services.history import Sampled
from orchestration.services.load_chunks import Chunks, places_of

LIVE = timedelta(minutes=75)
"""So much is written as a leading scheduler writes it, from a sample each second."""
WRITE_EVERY = 10
ADDRESS = "/api/orchestration/load/history"
GAUGES = {"running": 7200, "waiting": 3600, "rate": 90_000.0, "vram": 3.6e13, "vram_samples": 3600, "loads": 1}
PEAKS = {"running_peak": 4, "waiting_peak": 9, "samples": 3600, "rate_samples": 3600}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    models: int = 20
    nodes: int = 10
    days: int = 30
    attempts: int = 200_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A chart: its range, and what it is of."""

    range: str
    model: str = ""
    node: str = ""
    split: str = ""

    @property
    def words(self) -> str:
        of = " on ".join(filter(None, (self.model, self.node))) or "all"
        return f"{self.range} of {of}" + (f", by {self.split}" if self.split else "")


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of the 95th of a hundred: that passed, and of the processor's."""

    asked: Asked
    p95: float
    cpu: float
    agrees: bool


@dataclass(frozen=True, slots=True)
class Written:
    """Milliseconds of one write of ten seconds, and rows at its end."""

    median: float
    worst: float
    rows: int


def fill(size: Size, now: datetime) -> Written:
    """On an empty database: attempts of all these days, points for each of them, then the last hour as it comes."""
    nodes = [
        Node.objects.create(name=f"gpu-{number}", base_url=f"http://gpu-{number}.test") for number in range(size.nodes)
    ]
    models = [f"model{number}:latest" for number in range(size.models)]
    _add_attempts(size, nodes, models, now)
    begins = now - LIVE
    history.record(samples=(), now=begins)
    for level, back in ((HOURS, timedelta(days=size.days)), (MINUTES, timedelta(seconds=MINUTES.kept))):
        _add_gauges(level, nodes, models, level.floor((now - back).timestamp()), level.floor(begins.timestamp()))
    spent = _go_live(nodes, models, begins, now)
    return Written(statistics.median(spent), max(spent), LoadChunk.objects.count())


def _add_attempts(size: Size, nodes: Sequence[Node], models: Sequence[str], now: datetime) -> None:
    """One task with all of them: what they belong to makes no difference here. A tenth in the last hour."""
    run = Run.objects.create(kind=RunKind.BATCH, agent_name="bench")
    lane = Lane.objects.create(key="bench", models=list(models), num_ctx=4096)
    task = Task.objects.create(run=run, lane=lane, type="generate", title="bench", status=TaskStatus.COMPLETED)
    rows = _attempts(size, task, nodes, models, now)
    while batch := list(islice(rows, 2000)):
        Attempt.objects.bulk_create(batch)


def _attempts(size: Size, task: Task, nodes: Sequence[Node], models: Sequence[str], now: datetime) -> Iterator[Attempt]:
    chance = random.Random(3)
    for number in range(size.attempts):
        back = chance.uniform(0, 3600 if number % 10 == 0 else size.days * 86_400)
        ended, node = now - timedelta(seconds=back), chance.choice(nodes)
        started = ended - timedelta(seconds=chance.uniform(1, 60))
        yield Attempt(
            task=task,
            number=number,
            node=node,
            node_name=node.name,
            model_name=chance.choice(models),
            num_ctx=4096,
            slot=0,
            token=str(number),
            status=chance.choices((AttemptStatus.COMPLETED, AttemptStatus.FAILED), (49, 1))[0],
            granted_at=started,
            lease_until=ended,
            started_at=started,
            first_token_at=started + timedelta(seconds=chance.lognormvariate(-0.5, 0.8)),
            ended_at=ended,
            settled=True,
            prompt_tokens=chance.randrange(2000),
            output_tokens=chance.randrange(1000),
        )


def _add_gauges(level: Level, nodes: Sequence[Node], models: Sequence[str], start: int, end: int) -> None:
    """To every point of every series, as if nothing had ever been idle."""
    values = {**GAUGES, **PEAKS}
    everywhere = {place for node, model in product(nodes, models) for place in places_of(node.pk, "", model)}
    for begins in level.chunks(start, end):
        chunks = Chunks(level, max(begins, start), min(begins + level.span, end))
        for at in range(chunks.start, chunks.end, level.unit):
            for place in everywhere:
                chunks.add(place, at, values)
        chunks.write(chunks.changed())


def _go_live(nodes: Sequence[Node], models: Sequence[str], begins: datetime, now: datetime) -> list[float]:
    sample, spent = _sample(nodes, models), []
    last: Sampled | None = None
    for write in range(int((now - begins).total_seconds()) // WRITE_EVERY):
        samples = []
        for second in range(WRITE_EVERY):
            fresh = Sampled(begins + timedelta(seconds=write * WRITE_EVERY + second), sample)
            samples.append(fresh._replace(before=last))
            last = fresh
        began = time.perf_counter()
        history.record(samples=samples, now=begins + timedelta(seconds=(write + 1) * WRITE_EVERY))
        spent.append((time.perf_counter() - began) * 1000)
    return spent


def _sample(nodes: Sequence[Node], models: Sequence[str]) -> LoadSample:
    """Every model in the memory of every node, with something running and waiting."""
    load: Any = {"running": 2, "tokens_per_second": 42.5, "vram_bytes": 10**10, "loaded_bytes": 10**10}
    held = [{**load, "name": model} for model in models]
    told: Any = {
        "at": stamp(timezone.now()),
        "models": [{**load, "name": model, "waiting": 3, "running": 2 * len(nodes)} for model in models],
        "nodes": [
            {**load, "id": node.pk, "name": node.name, "slots": 4, "vram_used_bytes": 2 * 10**11, "models": held}
            for node in nodes
        ],
        "totals": {"running": 2 * len(nodes) * len(models), "waiting": 3 * len(models), "tokens_per_second": 8500.0},
    }
    return told  # type: ignore[no-any-return]


def charts(size: Size) -> list[Asked]:
    """Every range, of all, of one model, of one node, of both, and by model and by node."""
    model, node = "model1:latest", "gpu-1"
    kinds = [
        {},
        {"model": model},
        {"node": node},
        {"model": model, "node": node},
        {"split": "model"},
        {"split": "node"},
        {"split": "node", "model": model},
        {"split": "model", "node": node},
    ]
    return [Asked(name, **kind) for name in RANGES for kind in kinds]


def measure(asked: Sequence[Asked], repeats: int) -> Iterator[Timing]:
    """From the request to its last byte, through the whole of the site but its socket."""
    client = Client(headers={"Host": "localhost"})
    user, _ = User.objects.get_or_create(username="bench", defaults={"role": "viewer"})
    client.force_login(user)
    client.get(ADDRESS)  # the first request of a process reads half of the site
    for chart in asked:
        spent, worked, answer = [], [], {}
        query = {"range": chart.range, "model": chart.model, "node": chart.node, "split": chart.split}
        for _ in range(repeats):
            began, working = time.perf_counter(), time.process_time()
            response = client.get(ADDRESS, query)
            spent.append((time.perf_counter() - began) * 1000)
            worked.append((time.process_time() - working) * 1000)
            answer = response.json()
        yield Timing(chart, _p95(spent), _p95(worked), _agrees(chart, answer))


def _p95(values: Sequence[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(0.95 * len(values)))]


def _agrees(asked: Asked, answer: dict[str, Any]) -> bool:
    """With the table of attempts, between the first moment of the answer and its last."""
    start, end = (datetime.fromisoformat(answer[name]).astimezone(UTC) for name in ("start_at", "end_at"))
    rows = Attempt.objects.filter(ended_at__gte=start, ended_at__lt=end)
    rows = rows.filter(model_name=asked.model) if asked.model else rows
    rows = rows.filter(node__name=asked.node) if asked.node else rows
    sums = rows.aggregate(ended=Count("pk"), prompt_tokens=Sum("prompt_tokens"), output_tokens=Sum("output_tokens"))
    sums["errors"] = rows.filter(status=AttemptStatus.FAILED).count()
    return all(
        (value or 0) == sum(series["whole"][name] for series in answer["series"])
        and (value or 0) == sum(sum(series["values"][name]) for series in answer["series"])
        for name, value in sums.items()
    )

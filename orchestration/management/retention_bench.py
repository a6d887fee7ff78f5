"""What a dry run, the clean-up after it and the statistics cost beside many kept answers. Leaves no trace."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from django.db import connection
from django.utils import timezone

from orchestration.models import (
    Agent,
    Attempt,
    CleanUp,
    Collection,
    Output,
    RetentionRule,
    Run,
    Task,
    UsageDay,
    User,
)
from orchestration.payloads.retention import PlanPayload, clean_up
from orchestration.policy.states import AttemptStatus, RunKind, TaskStatus
from orchestration.queries import retention as queries
from orchestration.queries.statistics import range_of, statistics
from orchestration.services import gathering
from orchestration.services.retention import carry_on
from orchestration.services.routes import lane_of

MODELS, AGENTS, USERS, NODES, DAYS = 12, 8, 20, 6, 60
AT_ONCE = 500
BATCHED = 0.5
"""So many of the tasks are rows of one batch, which does not go as long as any of them is young."""
COLLECTED = 100
"""One in so many is in a collection."""
USAGE_DAYS = 365
WORD = "lorem ipsum dolor sit amet consectetur "


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """``planned`` and ``removed`` are what the dry run told and what went; ``longest``: of the pieces, in seconds."""

    planned: PlanPayload
    removed: PlanPayload
    plan_seconds: float
    seconds: float
    longest: float

    @property
    def same(self) -> bool:
        return self.planned == self.removed


def fill(tasks: int, now: datetime) -> None:
    """On an empty database: half of it a batch, the rest tasks of their own, over the last 60 days."""
    chance = random.Random(1)
    made = _tasks(tasks, chance, now)
    while batch := list(islice(made, AT_ONCE)):
        Task.objects.bulk_create(batch)
        Attempt.objects.bulk_create([_attempt(task) for task in batch])
        gathering.keep(batch)
    kept = Collection.objects.create(name="kept")
    kept.outputs.set(Output.objects.filter(pk__in=range(0, 2 * tasks, COLLECTED)))
    _use(chance, now)
    if connection.vendor == "postgresql" and not connection.in_atomic_block:  # as its own daemon does; SQLite has none
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def _tasks(count: int, chance: random.Random, now: datetime) -> Iterator[Task]:
    User.objects.bulk_create([User(username=f"user{number}") for number in range(USERS)])
    users = list(User.objects.order_by("pk"))
    agents = [Agent.objects.create(name=f"agent{number}") for number in range(AGENTS)]
    lanes = {agent.pk: lane_of(agent, "generate", ["any:latest"], 4096) for agent in agents}
    whole = Run.objects.create(kind=RunKind.BATCH, agent_name="agent0")
    for number in range(count):
        agent = chance.choice(agents)
        own = Run.objects.create(kind=RunKind.SINGLE, agent_name=agent.name) if chance.random() >= BATCHED else whole
        yield Task(
            run=own,
            position=number,
            owner=chance.choice(users),
            agent=agent,
            agent_name=agent.name,
            lane=lanes[agent.pk],
            type="generate",
            title=f"Say {number}",
            status=TaskStatus.COMPLETED,
            model_used=f"model{number % MODELS}:latest",
            node_name=f"gpu-{number % NODES}",
            ended_at=now - timedelta(days=DAYS * (1 - number / count)),
            input=WORD * 5,
            output=WORD * chance.randint(10, 60),
        )


def _attempt(task: Task) -> Attempt:
    assert task.ended_at is not None
    return Attempt(
        task=task,
        number=1,
        node_name=task.node_name,
        model_name=task.model_used,
        num_ctx=4096,
        slot=0,
        token=f"{task.pk:032x}",
        status=AttemptStatus.COMPLETED,
        queue="normal",
        granted_at=task.ended_at,
        lease_until=task.ended_at,
        ended_at=task.ended_at,
        settled=True,
        request={"model": task.model_used, "prompt": task.input},
    )


def _use(chance: random.Random, now: datetime) -> None:
    """A year in which every user uses two agents, two models and three nodes a day."""
    today = now.astimezone(UTC).date()
    rows = (
        UsageDay(
            day=today - timedelta(days=day),
            share=user,
            agent_name=f"agent{(user + agent) % AGENTS}",
            model_name=f"model{(user + model) % MODELS}:latest",
            node_name=f"gpu-{node}",
            type="generate",
            completed=chance.randint(1, 20),
            output_tokens=chance.randint(100, 10_000),
            decode_seconds=chance.random() * 600,
        )
        for day in range(USAGE_DAYS)
        for user in range(1, USERS + 1)
        for agent in range(2)
        for model in range(2)
        for node in range(3)
    )
    while batch := list(islice(rows, 1000)):
        UsageDay.objects.bulk_create(batch)


def clean(now: datetime, **days: int) -> Done:
    """By one rule for all."""
    RetentionRule.objects.all().delete()
    RetentionRule.objects.create(**days)
    began = time.perf_counter()
    planned = queries.dry_run(now)
    plan_seconds = time.perf_counter() - began
    row = CleanUp.objects.create(
        at=timezone.now(),
        by_name="bench",
        as_of=datetime.fromisoformat(planned["as_of"]),
        rules=[asdict(rule) for rule in queries.rules()],
    )
    pieces: list[float] = []
    began = time.perf_counter()
    carry_on(go_on=_timing(pieces))
    seconds = time.perf_counter() - began
    row.refresh_from_db()
    done = clean_up(row)
    removed = PlanPayload(**{name: done[name] for name in PlanPayload.__annotations__})  # type: ignore[literal-required,typeddict-item]
    longest = max(after - before for before, after in pairwise(pieces))
    return Done(planned=planned, removed=removed, plan_seconds=plan_seconds, seconds=seconds, longest=longest)


def _timing(pieces: list[float]) -> Callable[[], bool]:
    def go_on() -> bool:
        pieces.append(time.perf_counter())
        return True

    return go_on


def ask(times: int) -> Sequence[float]:
    """Seconds of statistics over a year, each time."""
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        statistics(range_of(days=USAGE_DAYS))
        spent.append(time.perf_counter() - began)
    return spent


def left() -> tuple[int, int]:
    """Tasks, and those of them that still have a text."""
    return Task.objects.count(), Task.objects.filter(text_removed_at=None).count()

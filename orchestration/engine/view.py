"""The fleet as the placement policy sees it, read from the database in a fixed number of queries."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from orchestration.engine.backlog import heads_of, waiting_lanes, waiting_shares
from orchestration.engine.holdings import node_views
from orchestration.engine.lessons import Lessons, read_lessons
from orchestration.models import Agent, Attempt, ModelConfig, ShareAccount, User, WorkerProcess
from orchestration.policy.errands import NO_CONTEXT, without
from orchestration.policy.fleet import AgentRule, FleetView, ModelRule, Parameters, Run, ShareRule, Variant
from orchestration.policy.states import ErrandType, PauseKind
from orchestration.queries import pauses
from orchestration.queries.pauses import Paused

_ACCOUNT = ("share", "service", "active")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flight:
    """Attempts that hold a slot. ``total``: with errands, which hold none, but take a worker's room. ``leaving``: node
    and model of what is being deleted."""

    runs: dict[int, list[Run]]
    models: Counter[str]
    agents: Counter[int]
    shares: Counter[int]
    total: int
    leaving: list[tuple[int, str]]


def fleet_view(now: datetime, lessons: Lessons | None = None) -> FleetView:
    lessons = lessons or read_lessons(now)
    flight = _in_flight()
    capacity, alive = _workers(now)
    paused = pauses.words()
    waiting = waiting_shares()
    models = _models(flight, paused, lessons.contexts)
    shares = _shares(flight, waiting)
    lanes = waiting_lanes(lessons.counts)
    return FleetView(
        now=now,
        nodes=without(node_views(now, flight.runs, lessons, models), flight.leaving),
        lanes=[lane for lane in lanes if lane.num_ctx != NO_CONTEXT],
        errands=[lane for lane in lanes if lane.num_ctx == NO_CONTEXT],
        heads=heads_of(shares),
        models=models,
        agents=_agents(flight, paused),
        shares=shares,
        waiting_shares=waiting,
        estimates=lessons.estimates,
        high_rate=lessons.high_rate,
        upcoming=lessons.upcoming,
        paused={int(key): words for (kind, key), words in paused.items() if kind == PauseKind.PRIORITY},
        worker_room=max(0, capacity - flight.total),
        worker_capacity=capacity,
        workers_alive=alive,
        parameters=parameters(),
    )


def parameters() -> Parameters:
    return Parameters(
        patience=settings.DROVER_PATIENCE,
        stay=settings.DROVER_STAY,
        hot=settings.DROVER_HOT,
        preempt=settings.DROVER_PREEMPT,
        credit=settings.DROVER_CREDIT_TOKENS,
        most_loaded=settings.DROVER_MAX_LOADED_MODELS,
    )


def _in_flight() -> _Flight:
    runs: dict[int, list[Run]] = defaultdict(list)
    models: Counter[str] = Counter()
    agents: Counter[int] = Counter()
    shares: Counter[int] = Counter()
    live = Attempt.objects.filter(ended_at=None).order_by()
    fields = ("pk", "node_id", "model_name", "num_ctx", "slot", "granted_at")
    of_task = ("task__priority", "task__preemptions", "task__agent_id", "task__share", "task__type")
    rows = list(live.values_list(*fields, *of_task))
    leaving: list[tuple[int, str]] = []
    for pk, node_id, model, num_ctx, slot, since, priority, preemptions, agent, share, kind in rows:
        if num_ctx == NO_CONTEXT:
            leaving += [(node_id, model)] if kind == ErrandType.DELETE else []
            continue
        models[model] += 1
        shares[share] += 1
        if agent is not None:
            agents[agent] += 1
        if node_id is not None:
            run = Run(
                attempt_id=pk,
                variant=Variant(model=model, num_ctx=num_ctx),
                slot=slot,
                since=since,
                priority=priority,
                preempted=preemptions > 0,
                agent=agent,
                share=share,
            )
            runs[node_id].append(run)
    return _Flight(runs=runs, models=models, agents=agents, shares=shares, total=len(rows), leaving=leaving)


def _workers(now: datetime) -> tuple[int, int]:
    """Capacity and number of the workers that can take something."""
    fresh = WorkerProcess.objects.filter(seen_at__gt=now - settings.DROVER_WORKER_STALE, stopping=False)
    capacities = list(fresh.values_list("capacity", flat=True))
    return sum(capacities), len(capacities)


def _shares(flight: _Flight, waiting: Iterable[int]) -> dict[int, ShareRule]:
    accounts = {share: (service, active) for share, service, active in ShareAccount.objects.values_list(*_ACCOUNT)}
    limited = User.objects.exclude(max_concurrent_tasks=None).values_list("pk", "username", "max_concurrent_tasks")
    limits = {pk: (name, most) for pk, name, most in limited}
    return {
        share: ShareRule(
            service=accounts[share][0] if share in accounts else 0.0,
            active=share in accounts and accounts[share][1],
            name=limits[share][0] if share in limits else "",
            max_concurrent=limits[share][1] if share in limits else None,
            in_flight=flight.shares[share],
        )
        for share in {*accounts, *waiting}
    }


def _models(flight: _Flight, paused: Mapping[Paused, str], contexts: Mapping[str, int | None]) -> dict[str, ModelRule]:
    fields = ("model_name", "enabled", "priority", "max_concurrent_requests", "allowed_nodes")
    configs = {name: rest for name, *rest in ModelConfig.objects.order_by().values_list(*fields)}
    names = {key for kind, key in paused if kind == PauseKind.MODEL}
    rules = {}
    for name in {*configs, *contexts, *names}:
        enabled, priority, most, allowed_nodes = configs.get(name, (True, 0, None, ()))
        rules[name] = ModelRule(
            enabled=enabled,
            paused=paused.get((PauseKind.MODEL, name), ""),
            context_length=contexts.get(name),
            allowed_nodes=tuple(allowed_nodes),
            priority=priority,
            max_concurrent=most,
            in_flight=flight.models[name],
        )
    return rules


def _agents(flight: _Flight, paused: Mapping[Paused, str]) -> dict[int, AgentRule]:
    limits = Agent.objects.order_by().values_list("pk", "max_concurrent_tasks")
    return {
        pk: AgentRule(
            max_concurrent=most, in_flight=flight.agents[pk], paused=paused.get((PauseKind.AGENT, str(pk)), "")
        )
        for pk, most in limits
    }

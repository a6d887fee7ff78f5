"""Submitting: one task or thousands become a run, with what they need of their agent frozen into each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from orchestration import events
from orchestration.errors import Conflict, InvalidInput, NotFound, TooManyWaiting, Unprocessable
from orchestration.models import Agent, Document, Run, Task, TaskDependency
from orchestration.permissions import Action, Actor, require
from orchestration.policy.options import OPTIONS
from orchestration.policy.routing import full_name
from orchestration.policy.states import UNFINISHED, Gate, RunKind, TaskStatus
from orchestration.queries.levels import Levels
from orchestration.services import audit
from orchestration.services.announce import announce_tasks
from orchestration.services.choosing import load_routers
from orchestration.services.fields import cut
from orchestration.services.passages import Prepared, prepared
from orchestration.services.quoting import names_of, quoting
from orchestration.services.routes import Lanes, Placed
from orchestration.services.specs import TaskSpec, checked
from orchestration.services.steps import advance

ANNOUNCED_ONE_BY_ONE = 50
_BATCH = 500
_MEASURING = frozenset({RunKind.COMPARISON, RunKind.BENCHMARK})
"""Runs that are about a model: no other one stands in for it."""
REASON_LENGTH = 300
_RETRY_AFTER = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What holds for a run as a whole.

    ``max_parallel``: so many of its tasks at once. The other limits cancel what is left: ``stop_failed_percent`` of
    those that have ended, ``max_tokens`` in and out, ``max_steps`` with the items of fan-outs.
    """

    kind: RunKind
    title: str = ""
    continue_on_error: bool = False
    max_parallel: int | None = None
    stop_failed_percent: float | None = None
    max_seconds: float | None = None
    max_tokens: int | None = None
    max_steps: int | None = None
    spec: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    workflow_version_id: int | None = None
    rerun_of_id: int | None = None

    @property
    def limited(self) -> bool:
        limits = (self.max_parallel, self.stop_failed_percent, self.max_seconds, self.max_tokens, self.max_steps)
        return any(limit is not None for limit in limits)


def submit(
    *,
    actor: Actor,
    agent: Agent,
    specs: Sequence[TaskSpec],
    sequential: bool = False,
    continue_on_error: bool = False,
    idempotency_key: str | None = None,
    request_hash: str = "",
    allow_missing_models: bool = False,
) -> Run:
    """Tasks beside each other, or one after the other. Raises what ``submit_run`` raises."""
    kind = RunKind.SINGLE if len(specs) == 1 else RunKind.SEQUENCE if sequential else RunKind.BATCH
    return submit_run(
        actor=actor,
        agent=agent,
        specs=chain(specs) if sequential else specs,
        plan=RunPlan(kind=kind, continue_on_error=continue_on_error),
        idempotency_key=idempotency_key,
        request_hash=request_hash,
        allow_missing_models=allow_missing_models,
    )


def chain(specs: Sequence[TaskSpec]) -> list[TaskSpec]:
    """Each needs the one before it, and may quote what came before: ``{{previous}}``, ``{{step1}}``, or a step's name.

    Prompts are sent as written; raises Unprocessable where one quotes a step that comes later or not at all.
    """
    named = names_of(specs)
    return [quoting(spec, number, named) for number, spec in enumerate(specs)]


def submit_run(
    *,
    actor: Actor,
    agent: Agent,
    specs: Sequence[TaskSpec],
    plan: RunPlan,
    idempotency_key: str | None = None,
    request_hash: str = "",
    allow_missing_models: bool = False,
) -> Run:
    """All tasks or none. The same idempotency key of the same user answers with the run it made the first time.

    Raises InvalidInput, ModelUnavailable (unless ``allow_missing_models``), TooManyWaiting, Conflict (the key was used
    for something else).
    """
    require(actor, Action.SUBMIT_TASK)
    if idempotency_key and (earlier := _earlier(actor, idempotency_key, request_hash)):
        return earlier
    wanted = _checked_all(specs)
    load_routers([agent, *_agents_of(wanted).values()])
    ready = prepared(agent, wanted)
    try:
        with transaction.atomic():
            check_room(actor, len(wanted))
            _check_documents(wanted)
            wanted = _with_papers(actor, agent, ready)
            run = _run(actor, agent, plan, wanted, idempotency_key, request_hash)
            tasks = _create(run, agent, actor, wanted, allow_missing_models)
            _begin(tasks, wanted)
            audit.record(actor, "run.submitted", run, kind=run.kind, tasks=len(tasks), agent=agent.name)
            _announce(run, tasks)
    except IntegrityError as error:
        return _made_meanwhile(actor, agent, idempotency_key, request_hash, error)
    return run


def _run(
    actor: Actor, agent: Agent, plan: RunPlan, specs: Sequence[TaskSpec], key: str | None, request_hash: str
) -> Run:
    if plan.max_steps is not None and len(specs) > plan.max_steps:
        raise Unprocessable(
            f"The run has {len(specs)} steps already, {plan.max_steps} may be.", max_steps=plan.max_steps
        )
    deadline = None if plan.max_seconds is None else timezone.now() + timedelta(seconds=plan.max_seconds)
    return Run.objects.create(
        kind=plan.kind,
        title=(plan.title.strip() or specs[0].title.strip() or _title(specs[0]))[:160],
        owner_id=actor.user_id,
        agent=agent,
        agent_name=agent.name,
        spec=dict(plan.spec),
        inputs=dict(plan.inputs),
        workflow_version_id=plan.workflow_version_id,
        rerun_of_id=plan.rerun_of_id,
        continue_on_error=plan.continue_on_error,
        max_parallel=plan.max_parallel,
        stop_failed_percent=plan.stop_failed_percent,
        deadline_at=deadline,
        max_tokens=plan.max_tokens,
        max_steps=plan.max_steps,
        watched=plan.limited,
        idempotency_key=key or None,
        request_hash=request_hash,
    )


def _made_meanwhile(actor: Actor, agent: Agent, key: str | None, request_hash: str, error: IntegrityError) -> Run:
    """The run of a request with the same key that was a moment faster."""
    if key and (earlier := _earlier(actor, key, request_hash)):
        return earlier
    if not Agent.objects.filter(pk=agent.pk).exists():
        raise NotFound(f"The agent {agent.name} has just been deleted.") from error
    raise error


def _earlier(actor: Actor, key: str, request_hash: str) -> Run | None:
    run = Run.objects.filter(owner_id=actor.user_id, idempotency_key=key).first()
    if run and run.request_hash != request_hash:
        raise Conflict("This Idempotency-Key was used for a different request; use a new one.", run_id=run.pk)
    return run


def _checked_all(specs: Sequence[TaskSpec]) -> list[TaskSpec]:
    most = settings.DROVER_MAX_TASKS_PER_REQUEST
    if not 1 <= len(specs) <= most:
        raise InvalidInput(f"Send 1 to {most:,} tasks at a time, not {len(specs):,}.", field="tasks")
    wanted = []
    for number, spec in enumerate(specs):
        try:
            wanted.append(checked(spec))
        except InvalidInput as error:
            if len(specs) > 1:
                error.message = f"tasks[{number}]: {error.message}"
            error.detail = {**error.detail, "task": number}
            raise
    return wanted


def check_room(actor: Actor, count: int) -> None:
    """Raises TooManyWaiting."""
    unfinished = Task.objects.filter(status__in=UNFINISHED)
    bounds = [
        (unfinished, settings.DROVER_MAX_WAITING, "in all"),
        (unfinished.filter(owner_id=actor.user_id), settings.DROVER_MAX_WAITING_PER_USER, f"for {actor.name}"),
    ]
    for rows, most, whose in bounds:
        waiting = rows.count()
        if waiting + count > most:
            raise TooManyWaiting(
                f"{waiting:,} tasks are unfinished {whose}, {most:,} may be. Try again when some are done.",
                retry_after=_RETRY_AFTER,
                unfinished=waiting,
                most=most,
            )


def _create(run: Run, agent: Agent, actor: Actor, specs: Sequence[TaskSpec], allow_missing: bool) -> list[Task]:
    agents = {agent.pk: agent, **_agents_of(specs)}
    fall_back, levels = run.kind not in _MEASURING, Levels()
    lanes = {pk: Lanes(each, allow_missing, fall_back=fall_back, levels=levels) for pk, each in agents.items()}
    now, room = timezone.now(), run.max_parallel
    tasks = []
    for position, spec in enumerate(specs):
        of_task = _agent_of(spec, agent, agents)
        free = not _waits(spec) and room != 0
        gate = Gate.FREE if room is None else Gate.PASSED if free else Gate.HELD
        room = room - 1 if room and free else room
        tasks.append(task_of(run, of_task, actor.user_id, spec, lanes[of_task.pk].place(spec), position, now, gate))
    for position in {needed for spec in specs for needed in (*spec.needs, *spec.after)}:
        tasks[position].awaited = True
    created = Task.objects.bulk_create(tasks, batch_size=_BATCH)
    _join(created, specs)
    return created


def _agents_of(specs: Sequence[TaskSpec]) -> dict[int, Agent]:
    """Those that are asked instead of the run's own."""
    wanted = {spec.agent_id for spec in specs if spec.agent_id}
    return Agent.objects.in_bulk(wanted) if wanted else {}


def _agent_of(spec: TaskSpec, agent: Agent, agents: Mapping[int, Agent]) -> Agent:
    if spec.agent_id is None:
        return agent
    if spec.agent_id not in agents:
        raise NotFound(f"There is no agent {spec.agent_id}.")
    return agents[spec.agent_id]


def _join(tasks: Sequence[Task], specs: Sequence[TaskSpec]) -> None:
    edges, papers = [], []
    for task, spec in zip(tasks, specs, strict=True):
        edges += [TaskDependency(task=task, needs=tasks[position]) for position in spec.needs]
        soft = set(spec.after) - set(spec.needs)
        edges += [TaskDependency(task=task, needs=tasks[position], soft=True) for position in sorted(soft)]
        edges += [TaskDependency(task=task, needs_id=helper, soft=True) for helper in spec.papers.awaits]
        papers += [Task.documents.through(task_id=task.pk, document_id=document) for document in spec.document_ids]
    TaskDependency.objects.bulk_create(edges, batch_size=_BATCH)
    Task.documents.through.objects.bulk_create(papers, batch_size=_BATCH)


def _waits(spec: TaskSpec) -> bool:
    return bool(spec.template or _has_needs(spec))


def _has_needs(spec: TaskSpec) -> bool:
    return bool(spec.needs or spec.after or spec.papers.awaits)


def _begin(tasks: Sequence[Task], specs: Sequence[TaskSpec]) -> None:
    """Fills in what waits for nothing but the run's inputs."""
    alone = [task.pk for task, spec in zip(tasks, specs, strict=True) if spec.template and not _has_needs(spec)]
    if alone:
        advance(Task.objects.filter(pk__in=alone), timezone.now())


def _with_papers(actor: Actor, agent: Agent, ready: Sequence[Prepared]) -> list[TaskSpec]:
    """With what documents put into the prompts. What is too long is embedded first by tasks of a run of their own:
    neither their vectors nor their failing are any concern of the run that was asked for."""
    helpers = [item.helper for item in ready if item.helper]
    if not helpers:
        return [item.spec for item in ready]
    run = _run(actor, agent, RunPlan(kind=RunKind.SINGLE, title=helpers[0].title), helpers, None, "")
    tasks = _create(run, agent, actor, helpers, False)
    Task.objects.filter(run=run).update(awaited=True)
    _announce(run, tasks)
    ids = iter([task.pk for task in tasks])
    return [_after(item.spec, next(ids)) if item.helper else item.spec for item in ready]


def _check_documents(specs: Sequence[TaskSpec]) -> None:
    """That none was deleted since it was read."""
    wanted = {pk for spec in specs for pk in spec.document_ids}
    there = set(Document.objects.filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()
    if gone := sorted(wanted - there):
        raise Unprocessable(f"There is no document {gone[0]}.", document=gone[0], field="document_ids")


def _after(spec: TaskSpec, helper_id: int) -> TaskSpec:
    return replace(spec, papers=replace(spec.papers, awaits=[helper_id]))


def task_of(
    run: Run,
    agent: Agent,
    user_id: int | None,
    spec: TaskSpec,
    placed: Placed,
    position: int,
    now: datetime,
    gate: Gate = Gate.FREE,
) -> Task:
    """One that is not stored yet. What its run holds back is blocked, but ready."""
    waits = _waits(spec)
    return Task(
        run=run,
        position=position,
        step=spec.step,
        owner_id=user_id,
        share=user_id or 0,
        agent=agent,
        agent_name=agent.name,
        lane=placed.lane,
        message=placed.note,
        type=spec.type,
        title=spec.title.strip()[:160] or _title(spec),
        status=TaskStatus.BLOCKED if waits or gate == Gate.HELD else TaskStatus.PENDING,
        gate=gate,
        priority=spec.priority,
        tags=list(spec.tags),
        client_ref=spec.client_ref,
        metadata=dict(spec.metadata),
        retried_from_id=spec.retried_from,
        content_hash=spec.content_hash,
        prefer_node_id=spec.prefer_node_id,
        template=None if spec.template is None else dict(spec.template),
        line_at=now,
        ready_at=None if waits else now,
        own_max_tries=spec.max_tries,
        max_tries=spec.max_tries or agent.max_tries or settings.DROVER_MAX_TRIES,
        model_name=full_name(spec.model_name),
        fallbacks=list(placed.choice.fallbacks),
        routing_reason=cut(placed.choice.reason, REASON_LENGTH),
        **_sent(agent, spec, placed),
    )


def _sent(agent: Agent, spec: TaskSpec, placed: Placed) -> dict[str, Any]:
    """What the node will get, with what it needs of the agent frozen into it."""
    said = {name: found.value for name, found in placed.said.items()}
    return {
        "timeout_seconds": said.get("timeout_seconds"),
        "keep_alive_seconds": said.get("keep_alive_seconds"),
        "system_prompt": agent.prompt_in_force if spec.system is None else spec.system,
        "input": spec.input,
        "messages": spec.messages,
        "parameters": dict(spec.parameters),
        "preset": spec.preset,
        "options": {name: said[name] for name in said if name in OPTIONS and name != "num_ctx"},
        "origins": {name: found.origin for name, found in placed.said.items()},
        "format": said.get("format") or None,
        "tools": spec.tools,
        "extension": agent.extension,
        "think": said.get("think"),
        "images": list(spec.images),
        "passages": list(spec.papers.passages),
        "passages_note": spec.papers.note,
    }


def _title(spec: TaskSpec) -> str:
    """The first line with something in it."""
    if spec.messages:
        users = [message.get("content", "") for message in spec.messages if message["role"] == "user"]
        text = (users or [spec.messages[-1].get("content", "")])[-1]
    else:
        text = spec.input if isinstance(spec.input, str) else spec.input[0]
    return next((line.strip()[:160] for line in text.splitlines() if line.strip()), spec.type)


def _announce(run: Run, tasks: Sequence[Task]) -> None:
    if len(tasks) <= ANNOUNCED_ONE_BY_ONE:
        announce_tasks([task.pk for task in tasks], wake=True)
    else:
        added = {"run_id": run.pk, "count": len(tasks), "agent": run.agent_name}
        events.on_commit(("tasks_added", added), wake=True)

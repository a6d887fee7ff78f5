"""Submitting: one task or thousands become a run, with what they need of their agent frozen into each."""

import hashlib
import itertools
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from orchestration import events
from orchestration.errors import Conflict, InvalidInput, ModelUnavailable, NotFound, TooManyWaiting, Unprocessable
from orchestration.models import Agent, Lane, ModelConfig, NodeModel, Run, Task, TaskDependency
from orchestration.permissions import Action, Actor, require
from orchestration.policy.context import bucket, needed_tokens
from orchestration.policy.estimates import OUTPUT_TOKENS
from orchestration.policy.routing import AgentModels, KnownModel, Route, full_name, route, suggestion, with_room
from orchestration.policy.states import UNFINISHED, RunKind, TaskStatus, TaskType
from orchestration.services import audit
from orchestration.services.announce import announce_tasks
from orchestration.services.specs import TaskSpec, checked

LONGEST_ANSWER = 8192
"""Tokens. A larger ``num_predict`` is meant as a bound, not as what the answer will take."""
ANNOUNCED_ONE_BY_ONE = 50
_BATCH = 500
_RETRY_AFTER = timedelta(seconds=30)


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
    """All tasks or none. The same idempotency key of the same user answers with the run it made the first time.

    Raises InvalidInput, ModelUnavailable (unless ``allow_missing_models``), TooManyWaiting, Conflict (the key was used
    for something else).
    """
    require(actor, Action.SUBMIT_TASK)
    if idempotency_key and (earlier := _earlier(actor, idempotency_key, request_hash)):
        return earlier
    wanted = _checked_all(specs)
    try:
        with transaction.atomic():
            _check_room(actor, len(wanted))
            run = Run.objects.create(
                kind=RunKind.SINGLE if len(wanted) == 1 else RunKind.SEQUENCE if sequential else RunKind.BATCH,
                owner_id=actor.user_id,
                agent=agent,
                agent_name=agent.name,
                continue_on_error=continue_on_error,
                idempotency_key=idempotency_key or None,
                request_hash=request_hash,
            )
            tasks = _create(run, agent, actor, wanted, allow_missing_models, sequential)
            audit.record(actor, "run.submitted", run, tasks=len(tasks), agent=agent.name)
            _announce(run, tasks)
    except IntegrityError as error:
        return _made_meanwhile(actor, agent, idempotency_key, request_hash, error)
    return run


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


def _check_room(actor: Actor, count: int) -> None:
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


def _create(
    run: Run, agent: Agent, actor: Actor, specs: Sequence[TaskSpec], allow_missing: bool, sequential: bool
) -> list[Task]:
    lanes = _Lanes(agent, allow_missing)
    now = timezone.now()
    tasks = [
        _task(run, agent, actor, spec, *lanes.lane(spec), position, now, blocked=sequential and position > 0)
        for position, spec in enumerate(specs)
    ]
    for needed in tasks[:-1] if sequential else ():
        needed.awaited = True
    created = Task.objects.bulk_create(tasks, batch_size=_BATCH)
    if sequential:
        edges = [TaskDependency(task=task, needs=needed) for needed, task in itertools.pairwise(created)]
        TaskDependency.objects.bulk_create(edges, batch_size=_BATCH)
    return created


def _task(
    run: Run,
    agent: Agent,
    actor: Actor,
    spec: TaskSpec,
    lane: Lane,
    note: str,
    position: int,
    now: datetime,
    *,
    blocked: bool,
) -> Task:
    return Task(
        run=run,
        position=position,
        owner_id=actor.user_id,
        share=actor.user_id or 0,
        agent=agent,
        agent_name=agent.name,
        lane=lane,
        message=note,
        type=spec.type,
        title=spec.title.strip()[:160] or _title(spec),
        status=TaskStatus.BLOCKED if blocked else TaskStatus.PENDING,
        priority=spec.priority,
        tags=list(spec.tags),
        client_ref=spec.client_ref,
        metadata=dict(spec.metadata),
        retried_from_id=spec.retried_from,
        line_at=now,
        ready_at=None if blocked else now,
        own_max_tries=spec.max_tries,
        max_tries=spec.max_tries or agent.max_tries or settings.DROVER_MAX_TRIES,
        model_name=spec.model_name and lane.models[0],
        **_sent(agent, spec),
    )


def _sent(agent: Agent, spec: TaskSpec) -> dict[str, Any]:
    """What the node will get, with what it needs of the agent frozen into it."""
    options = {**agent.options, **spec.parameters}
    options.pop("num_ctx", None)
    return {
        "timeout_seconds": spec.timeout_seconds or agent.timeout_seconds,
        "keep_alive_seconds": spec.keep_alive_seconds,
        "system_prompt": agent.system_prompt,
        "input": spec.input,
        "messages": spec.messages,
        "parameters": dict(spec.parameters),
        "options": options,
        "format": spec.format or None,
        "tools": spec.tools,
        "think": spec.think,
        "images": list(spec.images),
    }


def _title(spec: TaskSpec) -> str:
    """The first line with something in it."""
    if spec.messages:
        users = [message.get("content", "") for message in spec.messages if message["role"] == "user"]
        text = (users or [spec.messages[-1].get("content", "")])[-1]
    else:
        text = spec.input if isinstance(spec.input, str) else spec.input[0]
    return next((line.strip()[:160] for line in text.splitlines() if line.strip()), spec.type)


class _Lanes:
    """Finds the lane of each task of one submission, asking the database once for each kind."""

    def __init__(self, agent: Agent, allow_missing: bool) -> None:
        self._agent = agent
        self._models = AgentModels(
            models=agent.models, default_model=agent.default_model, preferences=agent.routing_preferences
        )
        self._allow_missing = allow_missing
        self._known = known_models()
        self._sizes: dict[str, Any] = dict(ModelConfig.objects.values_list("model_name", "options__num_ctx"))
        self._routes: dict[tuple[str, str], tuple[str, ...]] = {}
        self._found: dict[tuple[str, tuple[str, ...], int], Lane] = {}

    def lane(self, spec: TaskSpec) -> tuple[Lane, str]:
        """And a note for people where the task needs more context than usual. Who names a size gets that one."""
        models, named = self._route(spec), spec.parameters.get("num_ctx")
        size = self._size(named, models)
        need = 0 if named is not None else _context_need(spec, self._agent)
        if need <= size or not models:
            return self._lane(spec.type, models, size), ""
        models, room = with_room(models, self._known, need)
        lane = self._lane(spec.type, models, max(size, bucket(room, default=size)))
        return lane, _context_note(need, room, lane.num_ctx)

    def _route(self, spec: TaskSpec) -> tuple[str, ...]:
        key = (spec.type, spec.model_name)
        if key not in self._routes:
            found = route(task_type=spec.type, wanted=spec.model_name, agent=self._models, known=self._known)
            if not found.installed and not self._allow_missing:
                raise self._unavailable(found, spec)
            self._check_allowed(spec.model_name)
            self._routes[key] = found.models
        return self._routes[key]

    def _lane(self, task_type: str, models: tuple[str, ...], size: int) -> Lane:
        key = (task_type, models, size)
        if key not in self._found:
            self._found[key] = lane_of(self._agent, task_type, models, size)
        return self._found[key]

    def _size(self, named: int | None, models: Sequence[str]) -> int:
        usual = self._agent.options.get("num_ctx") or (self._sizes.get(models[0]) if models else None)
        return bucket(usual if named is None else named, default=settings.DROVER_DEFAULT_NUM_CTX)

    def _check_allowed(self, wanted: str) -> None:
        allowed = [full_name(name) for name in self._agent.models]
        if wanted and allowed and full_name(wanted) not in allowed:
            raise Unprocessable(
                f"The agent {self._agent.name} may not use {wanted}; it may use {', '.join(allowed)}.",
                model=wanted,
                allowed=allowed,
            )

    def _unavailable(self, found: Route, spec: TaskSpec) -> ModelUnavailable:
        names = ", ".join(found.models) or f"a model for {spec.type}"
        return ModelUnavailable(
            f"No node has {names}. {suggestion(found.models, self._known)}",
            models=list(found.models),
            installed=sorted(self._known),
        )


def _context_need(spec: TaskSpec, agent: Agent) -> int:
    """Tokens of context for prompt, images, tools and answer; each text of an embedding is read by itself."""
    if spec.type == TaskType.EMBED:
        return max(needed_tokens([text]) for text in ([spec.input] if isinstance(spec.input, str) else spec.input))
    texts = [agent.system_prompt, json.dumps(spec.tools, ensure_ascii=False) if spec.tools else ""]
    if spec.messages is None:
        texts.append(str(spec.input))
    for message in spec.messages or ():
        calls = message.get("tool_calls")
        texts += [message.get("content", ""), json.dumps(calls, ensure_ascii=False) if calls else ""]
    wanted = spec.parameters.get("num_predict", agent.options.get("num_predict", 0))
    answer = wanted if 0 < wanted <= LONGEST_ANSWER else OUTPUT_TOKENS
    return needed_tokens(texts, images=len(spec.images), answer=answer)


def _context_note(need: int, room: int, num_ctx: int) -> str:
    if need > room:
        return f"About {need:,} tokens are more than the {room:,} that the model takes: the beginning is left out"
    return f"A context of {num_ctx:,}, because prompt and answer take about {need:,} tokens"


def lane_of(agent: Agent, task_type: str, models: Sequence[str], num_ctx: int) -> Lane:
    """The queue for tasks of this agent and type that may use these models, made when it is first needed."""
    key = hashlib.sha256(json.dumps([agent.pk, task_type, *models, num_ctx]).encode()).hexdigest()
    fields = {"agent": agent, "type": task_type, "models": list(models), "num_ctx": num_ctx}
    return Lane.objects.get_or_create(key=key, defaults=fields)[0]


def known_models() -> dict[str, KnownModel]:
    """What is installed on any enabled node, by full name; a node that is away still counts."""
    rows = NodeModel.objects.filter(installed=True, node__enabled=True)
    return {
        name: KnownModel(name=name, capabilities=frozenset(capabilities), context_length=context)
        for name, capabilities, context in rows.values_list(
            "model__name", "model__capabilities", "model__context_length"
        ).distinct()
    }


def _announce(run: Run, tasks: Sequence[Task]) -> None:
    if len(tasks) <= ANNOUNCED_ONE_BY_ONE:
        announce_tasks([task.pk for task in tasks], wake=True)
    else:
        added = {"run_id": run.pk, "count": len(tasks), "agent": run.agent_name}
        events.on_commit(("tasks_added", added), wake=True)

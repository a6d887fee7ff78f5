"""Which lane a task goes into: the models that may do it, and the context that it needs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings

from orchestration.models import Agent, Lane, Task
from orchestration.policy.context import bucket, needed_tokens
from orchestration.policy.estimates import OUTPUT_TOKENS
from orchestration.policy.families import KnownModel
from orchestration.policy.passages import tokens_of
from orchestration.policy.routing import with_room
from orchestration.policy.states import TaskType
from orchestration.services.choosing import Choice, Chooser, known_models
from orchestration.services.specs import Papers, TaskSpec

__all__ = ["LONGEST_ANSWER", "Lanes", "Placed", "Rooms", "known_models", "lane_of"]

LONGEST_ANSWER = 8192
"""Tokens. A larger ``num_predict`` is meant as a bound, not as what the answer will take."""


class Placed(NamedTuple):
    """``note``: for people, where the task needs more context than usual."""

    lane: Lane
    note: str = ""
    choice: Choice = Choice(())


class Lanes:
    """Finds the lane of each task of one submission."""

    def __init__(self, agent: Agent, allow_missing: bool, *, fall_back: bool = True) -> None:
        self._agent = agent
        self._chooser = Chooser(agent, allow_missing=allow_missing, fall_back=fall_back)
        self._found: dict[tuple[str, tuple[str, ...], int, int | None], Lane] = {}

    def place(self, spec: TaskSpec) -> Placed:
        """Raises ModelUnavailable, Unprocessable. Who names a size gets that one."""
        options = {**self._agent.options, **spec.own_options}
        need = _context_need(spec, self._agent.prompt_in_force if spec.system is None else spec.system, options)
        choice, named = self._chooser.choose(spec, need), spec.own_options.get("num_ctx")
        size = self._size(named, choice.models)
        if need <= size or named is not None or not choice.models:
            return Placed(self._lane(spec, choice.models, size), choice=choice)
        models, room = with_room(choice.models, self._chooser.known(spec.node_id), need)
        lane = self._lane(spec, models, max(size, bucket(room, default=size)))
        return Placed(lane, _context_note(need, room, lane.num_ctx), choice)

    def _lane(self, spec: TaskSpec, models: tuple[str, ...], size: int) -> Lane:
        key = (spec.type, models, size, spec.node_id)
        if key not in self._found:
            self._found[key] = lane_of(self._agent, spec.type, models, size, node_id=spec.node_id)
        return self._found[key]

    def _size(self, named: int | None, models: Sequence[str]) -> int:
        usual = self._agent.options.get("num_ctx") or (self._chooser.num_ctx(models[0]) if models else None)
        return bucket(usual if named is None else named, default=settings.DROVER_DEFAULT_NUM_CTX)


class Rooms:
    """Finds the lanes of steps that are filled in at the same time."""

    def __init__(self) -> None:
        self._known: dict[str, KnownModel] | None = None
        self._grown: dict[tuple[int, str, tuple[str, ...], int, int | None], Lane] = {}

    def place(self, task: Task, fields: Mapping[str, Any]) -> Placed:
        """The lane of a step that is filled in with ``fields``: the same models, more context where it needs more."""
        lane, agent = task.lane, task.agent
        if agent is None or not lane.models or "num_ctx" in task.parameters:
            return Placed(lane)
        need = _need_of_step(task, fields)
        if need <= lane.num_ctx:
            return Placed(lane)
        if self._known is None:
            self._known = known_models()
        models, room = with_room(lane.models, self._known, need)
        grown = self._lane(agent, task, models, max(lane.num_ctx, bucket(room, default=lane.num_ctx)))
        return Placed(grown, _context_note(need, room, grown.num_ctx))

    def _lane(self, agent: Agent, task: Task, models: tuple[str, ...], size: int) -> Lane:
        key = (agent.pk, task.type, models, size, task.lane.node_id)
        if key not in self._grown:
            self._grown[key] = lane_of(agent, task.type, models, size, node_id=task.lane.node_id)
        return self._grown[key]


def _need_of_step(task: Task, fields: Mapping[str, Any]) -> int:
    content = {name: fields.get(name, getattr(task, name)) for name in ("input", "messages", "tools", "images")}
    papers = Papers(tokens=tokens_of(fields.get("passages", task.passages)))
    spec = TaskSpec(type=task.type, papers=papers, **content)
    return _context_need(spec, fields.get("system_prompt", task.system_prompt), task.options)


def _context_need(spec: TaskSpec, system: str, options: Mapping[str, Any]) -> int:
    """Tokens of context for prompt, images, tools and answer; each text of an embedding is read by itself."""
    if spec.type == TaskType.EMBED:
        return max(needed_tokens([text]) for text in ([spec.input] if isinstance(spec.input, str) else spec.input))
    texts = [system, json.dumps(spec.tools, ensure_ascii=False) if spec.tools else ""]
    if spec.messages is None:
        texts.append(str(spec.input))
    for message in spec.messages or ():
        calls = message.get("tool_calls")
        texts += [message.get("content", ""), json.dumps(calls, ensure_ascii=False) if calls else ""]
    wanted = options.get("num_predict", 0)
    answer = wanted if 0 < wanted <= LONGEST_ANSWER else OUTPUT_TOKENS
    return needed_tokens(texts, images=len(spec.images), answer=answer) + spec.papers.tokens


def _context_note(need: int, room: int, num_ctx: int) -> str:
    if need > room:
        return f"About {need:,} tokens are more than the {room:,} that the model takes: the beginning is left out"
    return f"A context of {num_ctx:,}, because prompt and answer take about {need:,} tokens"


def lane_of(
    agent: Agent | None, task_type: str, models: Sequence[str], num_ctx: int, *, node_id: int | None = None
) -> Lane:
    """The queue for tasks of this agent and type that may use these models, made when it is first needed."""
    parts = [agent.pk if agent else None, task_type, *models, num_ctx, *([f"node {node_id}"] if node_id else [])]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    fields = {"agent": agent, "type": task_type, "models": list(models), "num_ctx": num_ctx, "node_id": node_id}
    return Lane.objects.get_or_create(key=key, defaults=fields)[0]

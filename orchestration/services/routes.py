"""Which lane a task goes into: the models that may do it, and the context that it needs."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from django.conf import settings

from orchestration.models import Agent, Lane, Task
from orchestration.policy.context import bucket, needed_tokens
from orchestration.policy.effective import PROMPT, Found, Level, effective, first, is_own, unthinking
from orchestration.policy.estimates import OUTPUT_TOKENS
from orchestration.policy.families import KnownModel
from orchestration.policy.passages import tokens_of
from orchestration.policy.routing import with_room
from orchestration.policy.states import TaskType
from orchestration.queries.levels import Levels
from orchestration.services.choosing import Choice, Chooser, known_models
from orchestration.services.specs import Papers, TaskSpec
from orchestration.services.task_types import options_among

__all__ = ["LONGEST_ANSWER", "Lanes", "Placed", "Rooms", "known_models", "lane_of"]

LONGEST_ANSWER = 8192
"""Tokens. A larger ``num_predict`` is meant as a bound, not as what the answer will take."""
_IN_WORDS = (TaskType.GENERATE, TaskType.CHAT)


class Placed(NamedTuple):
    """``note``: for people, where the task needs more context than usual. ``said``: what task and agent want, and
    which of them; of the context, who decided it."""

    lane: Lane
    note: str = ""
    choice: Choice = Choice(())
    said: Mapping[str, Found] = MappingProxyType({})


class Lanes:
    """Finds the lane of each task of one submission."""

    def __init__(
        self, agent: Agent, allow_missing: bool, *, fall_back: bool = True, levels: Levels | None = None
    ) -> None:
        self._agent = agent
        self._chooser = Chooser(agent, allow_missing=allow_missing, fall_back=fall_back, levels=levels)
        self._levels = self._chooser.levels
        self._of_agent = self._levels.agent(agent)
        self._found: dict[tuple[str, tuple[str, ...], int, int | None], Lane] = {}

    def place(self, spec: TaskSpec) -> Placed:
        """Raises ModelUnavailable, Unprocessable. Who names a size gets that one."""
        of_task = self._level(spec)
        wanted = first("num_predict", (of_task, self._of_agent))
        system = self._agent.prompt_in_force if spec.system is None else spec.system
        need = _context_need(spec, system, wanted.value if wanted else 0)
        choice = self._chooser.choose(spec, need)
        said = self._said(spec, of_task, thinks=choice.thinks)
        found = self._num_ctx(of_task, choice.models)
        size = bucket(found.value, default=settings.DROVER_DEFAULT_NUM_CTX)
        said["num_ctx"] = found
        if need <= size or is_own(found.origin) or not choice.models:
            return Placed(self._lane(spec, choice.models, size), choice=choice, said=said)
        models, room = with_room(choice.models, self._chooser.known(spec.node_id), need)
        lane = self._lane(spec, models, max(size, bucket(room, default=size)))
        said["num_ctx"] = Found(lane.num_ctx, PROMPT if lane.num_ctx > size else found.origin)
        return Placed(lane, _context_note(need, room, lane.num_ctx), choice, said)

    def _level(self, spec: TaskSpec) -> Level:
        return self._levels.task(
            options_among(spec.type, spec.parameters),
            self._levels.wanted(spec.preset),
            think=spec.think,
            format=spec.format,
            timeout_seconds=spec.timeout_seconds,
            keep_alive_seconds=spec.keep_alive_seconds,
        )

    def _said(self, spec: TaskSpec, of_task: Level, *, thinks: bool) -> dict[str, Found]:
        """A wish to think is kept from models that cannot. Who may call tools answers freely."""
        of_agent = self._of_agent if thinks else unthinking(self._of_agent)
        said = effective([of_agent, of_task if thinks else unthinking(of_task)])
        if of_agent.format is not None and spec.format is None and (spec.tools or spec.type not in _IN_WORDS):
            del said["format"]
        if spec.type == TaskType.EMBED and spec.think is None:
            said.pop("think", None)
        return said

    def _num_ctx(self, of_task: Level, models: Sequence[str]) -> Found:
        of_model = [self._chooser.level(models[0])] if models else []
        known = first("num_ctx", (of_task, self._of_agent, *of_model, self._levels.fleet, self._levels.settings))
        assert known, "the settings always say it"
        return known

    def _lane(self, spec: TaskSpec, models: tuple[str, ...], size: int) -> Lane:
        key = (spec.type, models, size, spec.node_id)
        if key not in self._found:
            self._found[key] = lane_of(self._agent, spec.type, models, size, node_id=spec.node_id)
        return self._found[key]


class Rooms:
    """Finds the lanes of steps that are filled in at the same time."""

    def __init__(self) -> None:
        self._known: dict[str, KnownModel] | None = None
        self._grown: dict[tuple[int, str, tuple[str, ...], int, int | None], Lane] = {}

    def place(self, task: Task, fields: Mapping[str, Any]) -> Placed:
        """The lane of a step that is filled in with ``fields``: the same models, more context where it needs more."""
        lane, agent = task.lane, task.agent
        named = "num_ctx" in task.parameters or is_own(task.origins.get("num_ctx", ""))
        if agent is None or not lane.models or named:
            return Placed(lane)
        need = _need_of_step(task, fields)
        if need <= lane.num_ctx:
            return Placed(lane)
        if self._known is None:
            self._known = known_models()
        models, room = with_room(lane.models, self._known, need)
        grown = self._lane(agent, task, models, max(lane.num_ctx, bucket(room, default=lane.num_ctx)))
        said = {"num_ctx": Found(grown.num_ctx, PROMPT)} if grown.num_ctx > lane.num_ctx else {}
        return Placed(grown, _context_note(need, room, grown.num_ctx), said=said)

    def _lane(self, agent: Agent, task: Task, models: tuple[str, ...], size: int) -> Lane:
        key = (agent.pk, task.type, models, size, task.lane.node_id)
        if key not in self._grown:
            self._grown[key] = lane_of(agent, task.type, models, size, node_id=task.lane.node_id)
        return self._grown[key]


def _need_of_step(task: Task, fields: Mapping[str, Any]) -> int:
    content = {name: fields.get(name, getattr(task, name)) for name in ("input", "messages", "tools", "images")}
    papers = Papers(tokens=tokens_of(fields.get("passages", task.passages)))
    spec = TaskSpec(type=task.type, papers=papers, **content)
    return _context_need(spec, fields.get("system_prompt", task.system_prompt), task.options.get("num_predict", 0))


def _context_need(spec: TaskSpec, system: str, wanted: int) -> int:
    """Tokens of context for prompt, images, tools and answer; each text of an embedding is read by itself."""
    if spec.type == TaskType.EMBED:
        return max(needed_tokens([text]) for text in ([spec.input] if isinstance(spec.input, str) else spec.input))
    texts = [system, json.dumps(spec.tools, ensure_ascii=False) if spec.tools else ""]
    if spec.messages is None:
        texts.append(str(spec.input))
    for message in spec.messages or ():
        calls = message.get("tool_calls")
        texts += [message.get("content", ""), json.dumps(calls, ensure_ascii=False) if calls else ""]
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

"""What a batch will take, from what tasks of the same agent and type took lately; nothing where there were none."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from django.db.models import Sum

from orchestration.models import Agent, ModelConfig, Node, NodeModel, Task, User
from orchestration.payloads.batches import EstimatePayload
from orchestration.policy.context import BYTES_PER_TOKEN
from orchestration.policy.routing import full_name
from orchestration.policy.states import NodeHealth, TaskStatus, TaskType
from orchestration.queries.levels import fleet_defaults

LOOKED_AT = 200
REACH = 50_000
"""Tasks that are older than so many others say nothing about today."""
FEWEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """``characters``: of all prompts together; ``calls``: requests they make."""

    agent: Agent
    type: str
    model_name: str
    calls: int
    characters: int
    owner_id: int | None = None
    max_parallel: int | None = None


class _Seen(NamedTuple):
    model: str
    prompt_tokens: int | None
    output_tokens: int | None
    seconds: float


def estimate(wanted: Wanted) -> EstimatePayload:
    seen = _seen(wanted)
    slots, why = _slots(wanted, seen)
    known = len(seen) >= FEWEST
    seconds = _busy_seconds(wanted, seen) if known else None
    answered = [row.output_tokens for row in seen if row.output_tokens is not None]
    embeds = wanted.type == TaskType.EMBED
    return EstimatePayload(
        seconds=seconds / min(slots, wanted.calls) if seconds is not None and slots else None,
        slots=slots,
        slots_words=why,
        prompt_tokens=round(wanted.characters / BYTES_PER_TOKEN),
        output_tokens=0 if embeds else round(fmean(answered) * wanted.calls) if known and answered else None,
        tasks_seen=len(seen),
        words=_words(wanted, len(seen), slots),
    )


def _words(wanted: Wanted, seen: int, slots: int | None) -> str:
    if not slots:
        return "No node that is up has the model, so nobody knows when it would begin."
    if seen < FEWEST:
        return f"The agent {wanted.agent.name} has done too little of this type to tell how long; a dry run does."
    return f"From the last {seen} tasks of this type by {wanted.agent.name}, if nothing else runs."


def _seen(wanted: Wanted) -> list[_Seen]:
    """The latest ones that completed; with a model, only those that it did."""
    newest = Task.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    rows = Task.objects.filter(
        agent_name=wanted.agent.name, type=wanted.type, status=TaskStatus.COMPLETED, pk__gt=newest - REACH
    )
    if wanted.model_name:
        rows = rows.filter(model_used=full_name(wanted.model_name))
    times = ("duration_seconds", "queued_seconds", "load_seconds")
    found = rows.order_by("-pk").values_list("model_used", "prompt_tokens", "output_tokens", *times)[:LOOKED_AT]
    return [
        _Seen(model, prompt, output, max(0.0, duration - (queued or 0) - (load or 0)))
        for model, prompt, output, duration, queued, load in found
        if model and duration is not None
    ]


def _busy_seconds(wanted: Wanted, seen: Sequence[_Seen]) -> float | None:
    """Of one slot: by the call, for embeddings by the token they read."""
    seconds = sum(row.seconds for row in seen)
    if wanted.type != TaskType.EMBED:
        return seconds / len(seen) * wanted.calls
    tokens = sum(row.prompt_tokens or 0 for row in seen)
    return seconds / tokens * wanted.characters / BYTES_PER_TOKEN if tokens else None


def _slots(wanted: Wanted, seen: Sequence[_Seen]) -> tuple[int | None, str]:
    """How many run at once when nothing else does, and what keeps it from being more."""
    model = _model(wanted, seen)
    rows = Node.objects.filter(enabled=True, draining=False, health=NodeHealth.HEALTHY)
    if model:
        rows = rows.filter(pk__in=NodeModel.objects.filter(installed=True, model__name=model).values("node"))
    on_nodes = rows.aggregate(slots=Sum("slots_per_model"))["slots"]
    if not on_nodes:
        return None, ""
    config = ModelConfig.objects.filter(model_name=model).first() if model else None
    owner = User.objects.filter(pk=wanted.owner_id).first() if wanted.owner_id else None
    bounds = [
        (on_nodes, "slots on the nodes"),
        (wanted.agent.max_concurrent_tasks, f"at once is the limit of {wanted.agent.name}"),
        (config.max_concurrent_requests if config else None, f"at once is the limit of {model}"),
        (owner.max_concurrent_tasks if owner else None, "at once is your limit"),
        (wanted.max_parallel, "at once is what you chose"),
    ]
    return min(((most, words) for most, words in bounds if most is not None), key=lambda bound: bound[0])


def _model(wanted: Wanted, seen: Sequence[_Seen]) -> str:
    """The one it will most likely be; empty where nobody can say."""
    if wanted.model_name:
        return full_name(wanted.model_name)
    if seen:
        return Counter(row.model for row in seen).most_common(1)[0][0]
    agent = wanted.agent
    named = agent.default_model or next(iter(agent.models), "") or fleet_defaults().default_model
    return full_name(named) if named else ""

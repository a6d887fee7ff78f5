"""Benchmarks: started as a run of stages, and their report stored once they have ended."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction

from orchestration.errors import Conflict, InvalidInput, ModelUnavailable, Unprocessable
from orchestration.models import Agent, ModelConfig, Node, NodeModel, Run, Task, User
from orchestration.payloads.base import iso
from orchestration.payloads.benchmarks import BenchmarkPlace
from orchestration.permissions import SYSTEM, Action, Actor, require
from orchestration.policy.context import bucket, needed_tokens
from orchestration.policy.prompt_sets import PROMPT_SETS, Prompt
from orchestration.policy.routing import full_name, suggestion
from orchestration.policy.stages import Place, Request, plan
from orchestration.policy.states import UNFINISHED, RunKind, TaskType
from orchestration.queries import benchmarks as queries
from orchestration.queries.fleet import get_node
from orchestration.services import agents
from orchestration.services.routes import known_models
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run

AGENT = "benchmark"
"""Its tasks have no system prompt and no limit of their own."""
MOST_AT_ONCE = 64
MOST_REPEATS = 20
MOST_ROUNDS = 20
MOST_PROMPTS = 20
MOST_REQUESTS = 5_000
LONGEST_ANSWER = 8_192
WARM_UP_TOKENS = 8
_SETTLED_AT_ONCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``nodes`` empty: every node that has a model. ``prompts``: own texts instead of the named set. ``rounds``: how
    often in a row each stream asks."""

    models: Sequence[str]
    nodes: Sequence[str] = ()
    prompt_set: str = "short"
    prompts: Sequence[str] = ()
    concurrency: Sequence[int] = (1, 2, 4, 8)
    repeats: int = 3
    rounds: int = 2
    num_predict: int = 128
    temperature: float = 0.0
    seed: int = 1
    num_ctx: int | None = None
    title: str = ""


@dataclass(slots=True)
class _Findings:
    """Where it can be measured, and in words what was asked for and cannot be."""

    places: list[BenchmarkPlace] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def start(
    *,
    actor: Actor,
    asked: Asked,
    idempotency_key: str | None = None,
    request_hash: str = "",
    rerun_of_id: int | None = None,
) -> Run:
    """Raises InvalidInput, ModelUnavailable, Unprocessable (nothing of it can be measured), Conflict (another benchmark
    measures on one of these nodes). Levels above what a node takes at once are left out, and the run says so."""
    require(actor, Action.START_BENCHMARK)
    _check(asked)
    prompts = _prompts(asked)
    found = _look(actor, asked)
    requests = plan(_levels(found.places), prompts=len(prompts), repeats=asked.repeats, rounds=asked.rounds)
    if len(requests) > MOST_REQUESTS:
        raise InvalidInput(
            f"That makes {len(requests):,} requests; {MOST_REQUESTS:,} may be. Ask for fewer models, levels or repeats."
        )
    options = _options(asked, prompts)
    run_plan = RunPlan(
        kind=RunKind.BENCHMARK,
        title=asked.title.strip() or _title(found.places),
        spec=_kept(asked, prompts, options, found),
        rerun_of_id=rerun_of_id,
    )
    with transaction.atomic():
        _claim(found.places, actor, idempotency_key)
        return submit_run(
            actor=actor,
            agent=ensure_agent(),
            specs=_specs(requests, found.places, prompts, options),
            plan=run_plan,
            idempotency_key=idempotency_key,
            request_hash=request_hash,
        )


def again(*, actor: Actor, run_id: int) -> Run:
    """The same once more, as the fleet is now."""
    return start(actor=actor, asked=asked_by(queries.get_benchmark(run_id)), rerun_of_id=run_id)


def asked_by(run: Run) -> Asked:
    """What a run was asked for."""
    spec, options = run.spec, run.spec["options"]
    own = [] if spec["prompt_set"] else [item["text"] for item in spec["prompts"]]
    kept = {name: spec[name] for name in ("models", "nodes", "prompt_set", "concurrency", "repeats", "rounds")}
    sent = {name: options[name] for name in ("num_predict", "temperature", "seed")}
    return Asked(**kept, **sent, prompts=own, num_ctx=spec["num_ctx"], title=spec["title"])


def ensure_agent() -> Agent:
    existing = Agent.objects.filter(name=AGENT).first()
    words = "Measures models: no system prompt, no limit of its own."
    return existing or agents.create(actor=SYSTEM, name=AGENT, description=words, max_concurrent_tasks=10_000)


def settle(run_id: int) -> None:
    """Stores the report of a benchmark that has ended, with the same outcome however often it is called."""
    run = queries.get_benchmark(run_id)
    ended = queries.last_end(run_id)
    if ended is None or (run.report and run.report["ended_at"] == iso(ended)):
        return
    Run.objects.filter(pk=run_id).update(report=queries.report_of(run))


def settle_ended() -> None:
    """The same for those of the last ones that nobody has looked at since."""
    open_ones = Run.objects.filter(kind=RunKind.BENCHMARK, report__isnull=True).order_by("-pk")
    for run_id in open_ones.values_list("pk", flat=True)[:_SETTLED_AT_ONCE]:
        settle(run_id)


def _check(asked: Asked) -> None:
    if not asked.models:
        raise InvalidInput("Name at least one model.", field="models")
    if not asked.prompts and asked.prompt_set not in PROMPT_SETS:
        raise InvalidInput(f"prompt_set is one of {', '.join(PROMPT_SETS)}.", field="prompt_set")
    if len(asked.prompts) > MOST_PROMPTS or not all(text.strip() for text in asked.prompts):
        raise InvalidInput(f"Give at most {MOST_PROMPTS} prompts, none of them empty.", field="prompts")
    if not asked.concurrency or not all(1 <= level <= MOST_AT_ONCE for level in asked.concurrency):
        raise InvalidInput(f"concurrency is a list of numbers from 1 to {MOST_AT_ONCE}.", field="concurrency")
    bounds = {"repeats": MOST_REPEATS, "rounds": MOST_ROUNDS, "num_predict": LONGEST_ANSWER}
    for name, most in bounds.items():
        if not 1 <= getattr(asked, name) <= most:
            raise InvalidInput(f"{name} is from 1 to {most:,}.", field=name)


def _prompts(asked: Asked) -> tuple[Prompt, ...]:
    if asked.prompts:
        return tuple(Prompt(f"Prompt {number}", text) for number, text in enumerate(asked.prompts, start=1))
    return PROMPT_SETS[asked.prompt_set]


def _look(actor: Actor, asked: Asked) -> _Findings:
    """Model by model and node by node, what can be measured."""
    nodes = [get_node(name) for name in dict.fromkeys(asked.nodes)]
    names = list(dict.fromkeys(full_name(name) for name in asked.models))
    rows = NodeModel.objects.filter(installed=True, model__name__in=names).select_related("node", "model")
    if nodes:
        rows = rows.filter(node__in=nodes)
    held = {(row.model.name, row.node_id): row for row in rows}
    _check_models(names)
    found = _Findings()
    for node in nodes or _holders(held):
        for name in names:
            row = held.get((name, node.pk))
            if row or nodes:
                _consider(found, name, node, row)
    _grade(found, asked, actor)
    if not found.places:
        raise Unprocessable(f"Nothing of this can be measured. {' '.join(found.left_out)}", left_out=found.left_out)
    return found


def _holders(held: Mapping[tuple[str, int], NodeModel]) -> list[Node]:
    return sorted({row.node for row in held.values()}, key=lambda node: node.name)


def _check_models(names: Sequence[str]) -> None:
    known = known_models()
    missing = [name for name in names if name not in known]
    if missing:
        raise ModelUnavailable(
            f"No node has {', '.join(missing)}. {suggestion(missing, known)}", models=missing, installed=sorted(known)
        )


def _consider(found: _Findings, name: str, node: Node, row: NodeModel | None) -> None:
    reason = ""
    if row is None:
        reason = f"{node.name} does not have {name}."
    elif "completion" not in (row.model.capabilities or ["completion"]):
        reason = f"{name} writes no text: there is nothing to measure."
    elif not node.takes_work:
        reason = f"{node.name} takes no work now."
    elif ModelConfig.objects.filter(model_name=name, enabled=False).exists():
        reason = f"{name} is disabled."
    if reason or row is None:
        found.left_out += [reason] if reason not in found.left_out else []
        return
    found.places.append(
        BenchmarkPlace(
            model=name,
            node=node.name,
            node_id=node.pk,
            slots=node.slots_per_model,
            levels=[],
            digest=row.digest,
            quantization=row.model.quantization,
            parameter_size=row.model.parameter_size,
            ollama_version=node.ollama_version,
        )
    )


def _grade(found: _Findings, asked: Asked, actor: Actor) -> None:
    """Which levels each place can have: what would only wait in line shows nothing of the node."""
    wanted = sorted(set(asked.concurrency))
    nodes = len({place["node_id"] for place in found.places})
    own = User.objects.filter(pk=actor.user_id or 0).values_list("max_concurrent_tasks", flat=True).first()
    limits = dict(ModelConfig.objects.values_list("model_name", "max_concurrent_requests"))
    for place in found.places:
        beside = sum(other["model"] == place["model"] for other in found.places)
        bounds = [(place["slots"], f"{place['node']} has {place['slots']} slots a model")]
        if place["model"] in limits:
            most = limits[place["model"]] // beside
            bounds.append((most, f"{place['model']} may have {limits[place['model']]} requests at once over all nodes"))
        if own is not None:
            bounds.append((own // nodes, f"{actor.name} may have {own} tasks at once"))
        most, words = min(bounds)
        place["levels"] = [level for level in wanted if level <= most]
        above = [str(level) for level in wanted if level > most]
        if above:
            found.left_out.append(f"{' and '.join(above)} at once with {place['model']} on {place['node']}: {words}.")
    found.places = [place for place in found.places if place["levels"]]


def _levels(places: Sequence[BenchmarkPlace]) -> dict[Place, Sequence[int]]:
    return {Place(place["model"], place["node"]): place["levels"] for place in places}


def _title(places: Sequence[BenchmarkPlace]) -> str:
    models = list(dict.fromkeys(place["model"] for place in places))
    nodes = list(dict.fromkeys(place["node"] for place in places))
    shown = ", ".join(models[:3]) + (f" and {len(models) - 3} more" if len(models) > 3 else "")
    return f"{shown} on {', '.join(nodes[:3])}" + (f" and {len(nodes) - 3} more" if len(nodes) > 3 else "")


def _options(asked: Asked, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """One context for all of it: another one would make a node load the model again."""
    longest = max(needed_tokens([_with_nonce(prompt.text, "0" * 12)], answer=asked.num_predict) for prompt in prompts)
    size = bucket(asked.num_ctx or longest, default=longest)
    return {
        "num_predict": asked.num_predict,
        "temperature": asked.temperature,
        "seed": asked.seed,
        "num_ctx": size,
    }


def _kept(asked: Asked, prompts: Sequence[Prompt], options: Mapping[str, Any], found: _Findings) -> dict[str, Any]:
    own = bool(asked.prompts)
    texts = [hashlib.sha256(prompt.text.encode()).hexdigest() for prompt in prompts]
    spec = {
        "models": [full_name(name) for name in asked.models],
        "nodes": [get_node(name).name for name in asked.nodes],
        "rounds": asked.rounds,
        "options": dict(options),
    }
    same = json.dumps([spec, texts], sort_keys=True)
    return {
        **spec,
        "title": asked.title.strip(),
        "prompt_set": "" if own else asked.prompt_set,
        "prompts": [
            {"name": prompt.name, "characters": len(prompt.text), **({"text": prompt.text} if own else {})}
            for prompt in prompts
        ],
        "concurrency": sorted(set(asked.concurrency)),
        "repeats": asked.repeats,
        "num_ctx": asked.num_ctx,
        "places": found.places,
        "left_out": found.left_out,
        "hash": hashlib.sha256(same.encode()).hexdigest(),
    }


def _claim(places: Sequence[BenchmarkPlace], actor: Actor, key: str | None) -> None:
    """Two benchmarks on one node would measure each other."""
    nodes = {place["node_id"]: place["node"] for place in places}
    list(Node.objects.select_for_update(no_key=True).filter(pk__in=nodes).order_by("pk"))
    unfinished = Task.objects.filter(
        run__kind=RunKind.BENCHMARK, status__in=UNFINISHED, lane__node__in=nodes
    ).select_related("lane")
    if key:
        unfinished = unfinished.exclude(run__owner_id=actor.user_id, run__idempotency_key=key)
    busy = unfinished.only("run_id", "lane__node_id").first()
    if busy:
        name = nodes[busy.lane.node_id or 0]
        raise Conflict(
            f"Benchmark {busy.run_id} measures on {name} now; wait for its end, or cancel it.", run_id=busy.run_id
        )


def _specs(
    requests: Sequence[Request],
    places: Sequence[BenchmarkPlace],
    prompts: Sequence[Prompt],
    options: Mapping[str, Any],
) -> list[TaskSpec]:
    node_ids = {place["node"]: place["node_id"] for place in places}
    return [_spec(request, prompts[request.prompt], node_ids[request.place.node], options) for request in requests]


def _spec(request: Request, prompt: Prompt, node_id: int, options: Mapping[str, Any]) -> TaskSpec:
    model, node = request.place
    mark = {
        "model": model,
        "node": node,
        "prompt": prompt.name,
        "concurrency": request.concurrency,
        "repeat": request.repeat,
        "warm_up": request.warm_up,
    }
    measured = TaskSpec(
        type=TaskType.GENERATE,
        input=_with_nonce(prompt.text, secrets.token_hex(6)),
        model_name=model,
        parameters=options,
        node_id=node_id,
        needs=request.needs,
        after=request.after,
        metadata={queries.MARK: mark},
        title=f"{prompt.name}, {request.concurrency} at once, repeat {request.repeat + 1}: {model} on {node}",
        max_tries=1,
    )
    if not request.warm_up:
        return measured
    short = {**options, "num_predict": min(WARM_UP_TOKENS, options["num_predict"])}
    return replace(measured, parameters=short, title=f"Warm-up: {model} on {node}", max_tries=None)


def _with_nonce(text: str, nonce: str) -> str:
    """At the very beginning, so that no server has read any of it before."""
    return f"[{nonce}] {text}"

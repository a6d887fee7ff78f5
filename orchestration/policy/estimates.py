"""What finished calls teach: how long answers are, how fast nodes are, how long loads take. All of it in plain numbers.

Each figure is an exponentially weighted mean. Where there is none yet, the nearest relative stands in: the same
variant on another node, then the same node with another, then a plain default.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean

WEIGHT = 0.2
"""Of a new sample in a mean."""
OUTPUT_TOKENS = 250.0
TOKENS_PER_SECOND = 30.0
RUN_SECONDS = 10.0
LOAD_BASE_SECONDS = 2.0
LOAD_BYTES_PER_SECOND = 1e9
IN_BATCH = 0.25
"""How much one further request in the same model slows each of them down."""
BESIDE = 0.8
"""How much one further busy model on the node slows all of them down."""
PROMPT_SHARE = 1 / 15
"""What reading a token of the prompt costs, in tokens written."""


Place = tuple[int, str]
"""(node id, model name)."""


def blend(mean: float | None, sample: float, weight: float = WEIGHT) -> float:
    """The mean with one more sample."""
    return sample if mean is None else (1 - weight) * mean + weight * sample


def slowdown(in_batch: int, beside: int) -> float:
    """Of one more request of a model with ``in_batch`` running, beside that many other busy models."""
    return (1 + IN_BATCH * in_batch) * (1 + BESIDE * beside)


def batch_gain(slots: int) -> float:
    """How many times the speed of a single stream a full batch of this size has in all."""
    return slots / (1 + IN_BATCH * (slots - 1))


def work_tokens(output_tokens: float, prompt_tokens: float) -> float:
    """A call's work in tokens written."""
    return output_tokens + prompt_tokens * PROMPT_SHARE


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """``tokens_per_second``: of a single stream alone on the node. ``load_seconds``, ``run_seconds`` alike by place;
    ``output_tokens`` by (agent, type), counted as ``work_tokens``. Kept over many decisions, as are the means."""

    tokens_per_second: Mapping[Place, float] = field(default_factory=dict)
    load_seconds: Mapping[Place, float] = field(default_factory=dict)
    run_seconds: Mapping[Place, float] = field(default_factory=dict)
    output_tokens: Mapping[tuple[int | None, str], float] = field(default_factory=dict)

    def work(self, agent: int | None, task_type: str) -> float:
        """Tokens that a task of this agent and type takes."""
        return self.output_tokens.get((agent, task_type), OUTPUT_TOKENS)

    def speed(self, node: int, model: str) -> float:
        """Tokens a second of a single stream."""
        known = self.tokens_per_second.get((node, model))
        if not known:
            known = self._speeds[0].get(model) or self._speeds[1].get(node) or TOKENS_PER_SECOND
        return known

    def load(self, node: int, model: str, size_bytes: int) -> float:
        """Seconds a load takes, unloads before it included."""
        known = self.load_seconds.get((node, model))
        if known is None:
            known = self._loads[0].get(model)
        return LOAD_BASE_SECONDS + size_bytes / LOAD_BYTES_PER_SECOND if known is None else known

    def run(self, node: int, model: str) -> float:
        """Seconds from start to end of a run."""
        known = self.run_seconds.get((node, model))
        if known is None:
            known = self._runs[0].get(model)
        return RUN_SECONDS if known is None else known

    def knows_runs(self, model: str) -> bool:
        return model in self._runs[0]

    @cached_property
    def _speeds(self) -> "_Means":
        return _means(self.tokens_per_second)

    @cached_property
    def _loads(self) -> "_Means":
        return _means(self.load_seconds)

    @cached_property
    def _runs(self) -> "_Means":
        return _means(self.run_seconds)


_Means = tuple[dict[str, float], dict[int, float]]


def _means(known: Mapping[Place, float]) -> _Means:
    """By model and by node."""
    models: dict[str, list[float]] = defaultdict(list)
    nodes: dict[int, list[float]] = defaultdict(list)
    for (node, model), value in known.items():
        models[model].append(value)
        nodes[node].append(value)
    return {it: fmean(of) for it, of in models.items()}, {it: fmean(of) for it, of in nodes.items()}

"""What the laboratory's Drover learns from calls that have ended, with the means of the product."""

import math
from dataclasses import dataclass, field

from orchestration.management.lab.work import LabTask
from orchestration.policy.estimates import Estimates, blend, slowdown

RATE_SECONDS = 300.0
"""In which the memory of how often high tasks ask for a model fades to a third."""
SHORTEST_RUN = 1e-3


@dataclass(slots=True)
class Learned:
    speeds: dict[tuple[int, str], float] = field(default_factory=dict)
    loads: dict[tuple[int, str], float] = field(default_factory=dict)
    runs: dict[tuple[int, str], float] = field(default_factory=dict)
    works: dict[tuple[int | None, str], float] = field(default_factory=dict)
    _rates: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By model: tasks a second, and when that was."""

    @property
    def estimates(self) -> Estimates:
        return Estimates(
            tokens_per_second=self.speeds, load_seconds=self.loads, run_seconds=self.runs, output_tokens=self.works
        )

    def ran(self, task: LabTask, in_batch: int, beside: int) -> None:
        """A call has ended; ``in_batch`` others go on in its model, ``beside`` other models are busy on its node."""
        place, kind = (task.node, task.model), (None, task.models[0])
        seconds = max(SHORTEST_RUN, (task.ended or 0.0) - (task.started or 0.0))
        alone = task.work / seconds * slowdown(in_batch, beside)
        self.speeds[place] = blend(self.speeds.get(place), alone)
        self.runs[place] = blend(self.runs.get(place), seconds)
        self.works[kind] = blend(self.works.get(kind), task.work)

    def loaded(self, node: int, model: str, seconds: float) -> None:
        self.loads[node, model] = blend(self.loads.get((node, model)), seconds)

    def asked(self, model: str, now: float) -> None:
        """A task of high priority wants the model."""
        self._rates[model] = (self._rate(model, now) + 1 / RATE_SECONDS, now)

    def high_rates(self, now: float) -> dict[str, float]:
        return {model: self._rate(model, now) for model in self._rates}

    def _rate(self, model: str, now: float) -> float:
        rate, at = self._rates.get(model, (0.0, now))
        return rate * math.exp((at - now) / RATE_SECONDS)

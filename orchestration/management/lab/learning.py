"""What the laboratory's Drover learns from calls and loads that have ended, by the product's own rules."""

from collections import Counter, deque
from dataclasses import dataclass, field

from orchestration.management.lab.line import NUM_CTX, moment
from orchestration.management.lab.work import LabTask
from orchestration.policy.estimates import PROMPT_SHARE, Estimates, Place, blend, slowdown
from orchestration.policy.fleet import HIGH_WINDOW, Run, Variant
from orchestration.policy.learning import Call, Known, learn, load_mean


def variant(model: str) -> Variant:
    return Variant(model=model, num_ctx=NUM_CTX)


def call_of(task: LabTask, run: Run, in_flight: Counter[str]) -> Call:
    """An ended call by the server's account. ``in_flight``: what goes on at its node, by model."""
    began = run.since
    ended = moment(task.ended or 0.0)
    running = (task.ended or 0.0) - (task.started or 0.0)
    tokens = max(1, round(task.output_tokens))
    beside = sum(1 for model, count in in_flight.items() if count and model != task.model)
    return Call(
        granted_at=began,
        ended_at=ended,
        run_seconds=(ended - began).total_seconds(),
        slowdown=slowdown(max(run.slot, in_flight[task.model]), beside),
        prompt_tokens=round(task.prompt_work / PROMPT_SHARE),
        output_tokens=tokens,
        load_seconds=max(0.0, task.got_model - task.sent),
        decode_seconds=running * tokens / task.work,
        inside_seconds=max(0.0, (task.started or 0.0) - task.got_model),
    )


@dataclass(slots=True)
class Learned:
    places: dict[Place, Known] = field(default_factory=dict)
    loads: dict[Place, float] = field(default_factory=dict)
    works: dict[tuple[int | None, str], float] = field(default_factory=dict)
    _high: deque[tuple[float, str]] = field(default_factory=deque)
    """Starts of high tasks: when, and in which model."""
    _estimates: Estimates | None = None
    """Made when they are needed, anew after something was learned."""

    @property
    def estimates(self) -> Estimates:
        if self._estimates is None:
            self._estimates = self._made()
        return self._estimates

    def _made(self) -> Estimates:
        speeds = {place: known.tokens_per_second for place, known in self.places.items()}
        runs = {place: known.run_seconds for place, known in self.places.items()}
        return Estimates(
            tokens_per_second={place: speed for place, speed in speeds.items() if speed is not None},
            load_seconds=dict(self.loads),
            run_seconds={place: seconds for place, seconds in runs.items() if seconds is not None},
            output_tokens=dict(self.works),
        )

    def ran(self, task: LabTask, call: Call, slots: int) -> None:
        """``slots``: as many as the node says that it has."""
        place, kind = (task.node, task.model), (None, task.models[0])
        self.places[place] = learn(self.places.get(place, Known()), [call], slots=slots)
        self.works[kind] = blend(self.works.get(kind), call.work)
        self._estimates = None

    def slots(self, node: int, model: str, most: int) -> int:
        known = self.places.get((node, model), Known()).slots
        return min(most, known or most)

    def loaded(self, node: int, model: str, seconds: float) -> None:
        self.loads[node, model] = load_mean(self.loads.get((node, model)), seconds)
        self._estimates = None

    def started_high(self, model: str, now: float) -> None:
        self._high.append((now, model))

    def high_rates(self, now: float) -> dict[str, float]:
        """Tasks a second, by model."""
        window = HIGH_WINDOW.total_seconds()
        while self._high and self._high[0][0] <= now - window:
            self._high.popleft()
        counts = Counter(model for _, model in self._high)
        return {model: count / window for model, count in counts.items()}

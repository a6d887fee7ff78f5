"""The fleet as decisions see it: nodes, what they hold and run, queues, limits, estimates. Plain values, made by the
engine from the database and by the laboratory from a simulation."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestration.policy.estimates import Estimates
from orchestration.policy.states import Priority


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Variant:
    """What a node really loads: a model with a context size in tokens. The unit of scheduling."""

    model: str
    num_ctx: int

    def serves(self, wanted: "Variant") -> bool:
        """A larger context serves whoever asks for a smaller one: no reload, only memory that is taken anyway."""
        return self.model == wanted.model and self.num_ctx >= wanted.num_ctx

    def __str__(self) -> str:
        return self.model


def may_run(allowed: Sequence[str], node: str, labels: Iterable[str]) -> bool:
    """Whether a model that the team keeps to these nodes, by their names or labels, may run on this one."""
    return not allowed or node in allowed or any(label in allowed for label in labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """An attempt that holds a slot. ``since``: when it was granted. ``preempted``: its task was pushed back before."""

    attempt_id: int
    variant: Variant
    slot: int
    since: datetime
    priority: int = Priority.NORMAL
    preempted: bool = False
    agent: int | None = None
    share: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """A variant in a node's memory. ``since``: when Drover loaded it, where it did. ``busy_outside``: other people's
    requests have been seen there lately, or are running now."""

    size_bytes: int
    slots: int
    since: datetime | None = None
    last_used: datetime | None = None
    busy_outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A load a node is committed to. Until ``loading_since`` the victims finish what they run and get nothing new.

    ``patience``: it displaces busy models, for a task that waited longer than its class allows."""

    variant: Variant
    victims: tuple[Variant, ...] = ()
    since: datetime
    loading_since: datetime | None = None
    expected: timedelta = timedelta()
    patience: bool = False
    preload: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node. ``refuses``: why it takes nothing new, in words. ``probe``: half open, so one run at a time.

    ``vram_bytes`` is None where nobody said it; then ``learned_bytes``, the most that was seen in memory at once, is a
    lower bound, and Ollama itself evicts idle models where that proves too much. ``reserved_bytes``: kept free for
    models of others that were seen to come.
    """

    id: int
    name: str
    installed: frozenset[str]
    resident: Mapping[Variant, Resident] = field(default_factory=dict)
    runs: Sequence[Run] = ()
    plan: Plan | None = None
    slots_per_model: int = 4
    single_slot: frozenset[str] = frozenset()
    """Models that take one request at a time, such as those for embedding."""
    labels: tuple[str, ...] = ()
    barred: frozenset[str] = frozenset()
    """Models on its disk that the team keeps to other nodes; they are not among the installed."""
    refuses: str = ""
    probe: bool = False
    vram_bytes: int | None = None
    learned_bytes: int = 0
    reserved_bytes: int = 0
    size_bytes: Mapping[str, int] = field(default_factory=dict)
    """Of the model's file, by name."""
    known_bytes: Mapping[Variant, int] = field(default_factory=dict)
    """What a variant took when it was loaded here, as the server told."""
    pinned: Mapping[Variant, str] = field(default_factory=dict)
    """What people want to stay in memory here, and who: loaded when there is room, and never displaced."""
    load_refused: Mapping[Variant, str] = field(default_factory=dict)
    """What could not be loaded here and may not be tried again yet, with the words for it."""

    def slots(self, model: str) -> int:
        """To start with; what was learned of a resident variant is in its ``slots``."""
        return 1 if model in self.single_slot else self.slots_per_model

    def refusal(self, variant: Variant) -> str:
        """The words for a load that failed: of this variant, or of a smaller context, which needs less memory."""
        return next((words for failed, words in self.load_refused.items() if variant.serves(failed)), "")

    def is_pinned(self, variant: Variant) -> bool:
        return any(pin.model == variant.model for pin in self.pinned)

    def could_load(self, variant: Variant) -> bool:
        return not self.refuses and variant.model in self.installed and not self.refusal(variant)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRule:
    """What the team decided about a model, and its training context in tokens. ``in_flight`` counts over all nodes."""

    enabled: bool = True
    paused: str = ""
    """By whom and when, in words; empty when it is not."""
    context_length: int | None = None
    allowed_nodes: tuple[str, ...] = ()
    """Names and labels of the nodes that it is kept to; none: every one that has it."""
    priority: int = 0
    max_concurrent: int | None = None
    in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRule:
    max_concurrent: int
    in_flight: int = 0
    paused: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRule:
    """One user's part. ``service``: tokens received so far. ``active``: has anything unfinished since the last pass."""

    name: str = ""
    service: float = 0.0
    active: bool = False
    max_concurrent: int | None = None
    in_flight: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A task near the front of its queue. ``line_at``: when its run was submitted."""

    task_id: int
    share: int
    line_at: datetime
    avoid: int | None = None
    """The node of the last failed attempt: another one is taken where there is a choice."""
    insists: bool = False
    """It failed more than once, or has one try left: it waits for a load elsewhere rather than go there again."""
    prefer: int | None = None
    """The node that holds what its prompt begins with: taken where it is no worse than others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassQueue:
    """The tasks of one priority in a lane. ``count`` may be capped; ``oldest``: since when the first could start."""

    count: int
    oldest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """A queue of tasks with the same agent, type, models and context. ``models``: the preferred first. ``node``: the
    only one that may run them."""

    id: int
    models: tuple[str, ...]
    num_ctx: int
    queues: Mapping[int, ClassQueue]
    """By priority, those with tasks only."""
    agent: int | None = None
    type: str = ""
    node: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The knobs of the policy, each a setting."""

    patience: Mapping[int, timedelta] = field(
        default_factory=lambda: {0: timedelta(seconds=2), 1: timedelta(seconds=60), 2: timedelta(seconds=300)}
    )
    """By priority: how long a task waits for a model nobody holds before a busy one is displaced for it."""
    stay: float = 6.0
    """For normal and low priority a busy model stays at least this many load times before it is displaced."""
    hot: float = 0.5
    """A model is kept where more than this many high tasks are expected before it could be back."""
    most_loaded: int = 3
    """Models a server holds at once (OLLAMA_MAX_LOADED_MODELS; 3 is its own default with one GPU)."""
    preempt: bool = True
    """Whether runs of low priority are pushed back, once each, when they are in the way of a late high task."""
    credit: float = 50_000.0
    """Tokens that a user may be behind the one who has received the most: so much may others receive before that one
    does again, however long they had nothing that could start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """Models of which one will be asked for soon, and why that is expected, in words."""

    models: tuple[str, ...]
    num_ctx: int
    reason: str


HIGH_WINDOW = timedelta(seconds=300)
"""Over which the rate of high-priority tasks is counted."""
COUNTED = 200
"""Tasks of one lane and class that are counted; more make no difference to any decision."""

HeadsOf = Callable[[int, int, int], Sequence[Head]]
"""(lane id, priority, most that can start) -> its first tasks, in order for each user; those of the users who were
served least will do, and of users at their limit only where there are no others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    now: datetime
    nodes: Sequence[NodeView]
    lanes: Sequence[LaneView]
    heads: HeadsOf
    errands: Sequence[LaneView] = ()
    """What nodes are to do with models: granted by rules of its own (policy/errands.py)."""
    models: Mapping[str, ModelRule] = field(default_factory=dict)
    agents: Mapping[int, AgentRule] = field(default_factory=dict)
    shares: Mapping[int, ShareRule] = field(default_factory=dict)
    """Of everybody who has anything unfinished; and of those who had at the last pass."""
    waiting_shares: frozenset[int] = frozenset()
    """Who has anything unfinished now."""
    estimates: Estimates = field(default_factory=Estimates)
    high_rate: Mapping[str, float] = field(default_factory=dict)
    """High-priority tasks per second, by model, over HIGH_WINDOW."""
    upcoming: Sequence[Upcoming] = ()
    """What may be loaded ahead of time, the most urgent first."""
    paused: Mapping[int, str] = field(default_factory=dict)
    """Priorities that are paused, with the words for it."""
    worker_room: int = 0
    worker_capacity: int = 0
    workers_alive: int = 0
    parameters: Parameters = field(default_factory=Parameters)

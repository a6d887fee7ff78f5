"""What the laboratory moves about: models, tasks and the numbers of a node."""

from collections.abc import Mapping
from dataclasses import dataclass, field

CROWD_SLOWDOWN = 0.25
"""How much each further request in a runner slows all of its requests."""
NEIGHBOUR_SLOWDOWN = 0.8
"""How much each further busy runner slows all runners of a GPU."""
RECOVERY_SECONDS = 0.7
"""Until video memory is really free after an unload."""
WARM_SPEEDUP = 4
"""How much faster a file loads that is still in main memory."""


@dataclass(frozen=True, slots=True)
class LabModel:
    """``parallel`` is the number of requests that a server runs at once (OLLAMA_NUM_PARALLEL)."""

    name: str
    gb: float
    tokens_per_second: float
    parallel: int

    @property
    def batch_rate(self) -> float:
        """Tokens per second of a full batch."""
        return self.tokens_per_second * (self.parallel / (1 + CROWD_SLOWDOWN * (self.parallel - 1)))


Models = Mapping[str, LabModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeNumbers:
    """``speed`` is relative; ``memory_gb`` is what keeps model files for a second load."""

    vram_gb: float = 24
    speed: float = 1.0
    disk_gb_per_second: float = 1.0
    memory_gb: float = 40

    def load_seconds(self, gb: float, *, warm: bool = False) -> float:
        return RECOVERY_SECONDS + 1.0 + gb / (self.disk_gb_per_second * (WARM_SPEEDUP if warm else 1))


@dataclass(slots=True, eq=False, kw_only=True)
class LabTask:
    """A task and what became of it. Its output tokens are hidden from every scheduler until it has ended."""

    id: int
    born: float
    models: tuple[str, ...]
    output_tokens: float
    prompt_work: float
    """In output tokens: a token of a prompt costs a fifteenth of one."""
    user: str
    priority: int
    workflow_at: float
    outsider: bool = False
    children: list["LabTask"] = field(default_factory=list)
    parents_left: int = 0
    ready: float = 0.0
    sent: float = 0.0
    """When the call reached the server; ``got_model`` and ``started``: when it had its model, and a slot of it."""
    got_model: float = 0.0
    started: float | None = None
    ended: float | None = None
    node: int = 0
    model: str = ""
    tries: int = 0

    @property
    def work(self) -> float:
        return self.output_tokens + self.prompt_work

    @property
    def waited(self) -> float:
        return (self.started or 0.0) - self.ready

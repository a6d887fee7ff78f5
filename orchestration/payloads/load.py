"""The load sample: what runs where, once a second."""

from typing_extensions import TypedDict

from orchestration.payloads.fleet import LoadPlanPayload


class ModelLoad(TypedDict):
    """Load of one model over all nodes, at one moment. ``slots`` counts those of nodes where it is loaded or in use;
    ``nodes`` are these and those that load it."""

    name: str
    running: int
    waiting: int
    slots: int
    tokens_per_second: float | None
    vram_bytes: int | None
    loaded_bytes: int | None
    nodes: list[str]
    loading: bool
    paused: bool
    expires_at: str | None


class ResidentModel(TypedDict):
    """``loaded_bytes`` is all it takes; what of that is not in ``vram_bytes`` lies in main memory."""

    name: str
    running: int
    slots: int
    tokens_per_second: float | None
    vram_bytes: int | None
    loaded_bytes: int | None
    expires_at: str | None
    loading: bool


class NodeLoad(TypedDict):
    """``circuit``: why it gets little or nothing new for now, in words; empty while its circuit is closed."""

    id: int
    name: str
    status: str
    reason: str
    circuit: str
    running: int
    slots: int | None
    tokens_per_second: float | None
    vram_used_bytes: int | None
    loaded_bytes: int | None
    vram_bytes: int | None
    plan: LoadPlanPayload | None
    models: list[ResidentModel]


class Totals(TypedDict):
    running: int
    waiting: int
    slots: int
    oldest_wait_seconds: float | None
    tokens_per_second: float | None
    failed_last_hour: int
    ended_last_hour: int
    first_token_p50_seconds: float | None
    first_token_p95_seconds: float | None
    workers_alive: int
    worker_capacity: int
    worker_in_use: int
    redis: bool


class LoadSample(TypedDict):
    """The event ``load``, once a second, made by the leading scheduler. The topic ``load`` is this and nothing else."""

    at: str
    models: list[ModelLoad]
    nodes: list[NodeLoad]
    totals: Totals

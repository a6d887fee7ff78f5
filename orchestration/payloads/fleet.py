"""Nodes, installed models and model configurations on the wire."""

from typing import Any, NotRequired

from django.utils import timezone
from typing_extensions import TypedDict

from orchestration.models import LoadPlan, ModelConfig, Node, NodeModel
from orchestration.ollama.headers import AUTHORIZATION
from orchestration.payloads.base import RetryPayload, iso, retry, stamp


class NodeModelPayload(TypedDict):
    name: str
    digest: str
    size_bytes: int
    installed: bool
    loaded: bool
    vram_bytes: int | None
    loaded_bytes: int | None
    context_length: int | None
    expires_at: str | None
    capabilities: list[str]
    pinned: bool
    pinned_by: str | None


class LoadPlanPayload(TypedDict):
    """The load a node is committed to. ``state``: making_room while the models it takes the place of, ``makes_room``,
    finish what they run and get nothing new; then loading. ``since``: as of when it is in this state.
    ``expected_seconds`` is how long the load takes, once it has begun."""

    model: str
    context_length: int
    state: str
    since: str
    expected_seconds: float
    makes_room: list[str]
    reason: str


class NodePayload(TypedDict):
    """A node in lists, the REST API and the event ``node``. ``status``: disabled, draining or the health word.

    ``circuit``: closed, open or half_open as of now, with the words for it; ``faults``: failures in a row by its fault.
    Of its headers only the names are told. ``learned_bytes``: the most that was seen in its video memory at once.
    """

    id: int
    name: str
    base_url: str
    enabled: bool
    draining: bool
    drain_note: str
    drain_until: str | None
    drained_by: str
    simulated: bool
    status: str
    health: str
    health_reason: str
    health_changed_at: str | None
    seen_at: str | None
    circuit: str
    circuit_until: str | None
    circuit_words: str
    faults: int
    ollama_version: str | None
    latency_seconds: float | None
    slots_per_model: int
    vram_bytes: int | None
    learned_bytes: int
    disk_bytes: int | None
    verify_tls: bool
    header_names: list[str]
    has_credentials: bool
    labels: list[str]
    version: int
    models: NotRequired[list[NodeModelPayload]]
    plan: NotRequired[LoadPlanPayload | None]


class ModelConfigPayload(TypedDict):
    id: int
    model_name: str
    enabled: bool
    priority: int
    max_concurrent_requests: int
    timeout_seconds: float | None
    max_tries: int | None
    retry: RetryPayload
    keep_alive_seconds: float | None
    options: dict[str, Any]
    labels: list[str]
    fallbacks: list[str]
    description: str
    preset: str
    think: bool | str | None
    allowed_nodes: list[str]
    warnings: NotRequired[list[str]]


def node_status(row: Node) -> str:
    if not row.enabled:
        return "disabled"
    return "draining" if row.draining and row.health == "healthy" else row.health


def node(row: Node) -> NodePayload:
    now = timezone.now()
    return NodePayload(
        id=row.pk,
        name=row.name,
        base_url=row.base_url,
        enabled=row.enabled,
        draining=row.draining,
        drain_note=row.drain_note,
        drain_until=iso(row.drain_until),
        drained_by=row.drained_by,
        simulated=row.simulated,
        status=node_status(row),
        health=row.health,
        health_reason=row.health_reason,
        health_changed_at=iso(row.health_changed_at),
        seen_at=iso(row.seen_at),
        circuit=row.circuit.state(now).value,
        circuit_until=iso(row.circuit_until),
        circuit_words=row.circuit.words(now),
        faults=row.faults,
        ollama_version=row.ollama_version or None,
        latency_seconds=row.latency_seconds,
        slots_per_model=row.slots_per_model,
        vram_bytes=row.vram_bytes,
        learned_bytes=row.learned_bytes,
        disk_bytes=row.disk_bytes,
        verify_tls=row.verify_tls,
        header_names=row.header_names,
        has_credentials=AUTHORIZATION in row.header_names,
        labels=row.labels,
        version=row.version,
    )


def node_model(row: NodeModel) -> NodeModelPayload:
    return NodeModelPayload(
        name=row.model.name,
        digest=row.digest,
        size_bytes=row.size_bytes,
        installed=row.installed,
        loaded=row.loaded,
        vram_bytes=row.vram_bytes,
        loaded_bytes=row.loaded_bytes,
        context_length=row.loaded_context if row.loaded else row.model.context_length,
        expires_at=iso(row.expires_at),
        capabilities=row.model.capabilities,
        pinned=row.pinned,
        pinned_by=row.pinned_by or None,
    )


def load_plan(row: LoadPlan) -> LoadPlanPayload:
    return LoadPlanPayload(
        model=row.model_name,
        context_length=row.num_ctx,
        state="loading" if row.loading_since else "making_room",
        since=stamp(row.loading_since or row.planned_at),
        expected_seconds=row.expected_seconds,
        makes_room=[model for model, _ in row.victims],
        reason=row.reason,
    )


def model_config(row: ModelConfig) -> ModelConfigPayload:
    return ModelConfigPayload(
        id=row.pk,
        model_name=row.model_name,
        enabled=row.enabled,
        priority=row.priority,
        max_concurrent_requests=row.max_concurrent_requests,
        timeout_seconds=row.timeout_seconds,
        max_tries=row.max_tries,
        retry=retry(row),
        keep_alive_seconds=row.keep_alive_seconds,
        options=row.options,
        labels=row.labels,
        fallbacks=row.fallbacks,
        description=row.description,
        preset=row.preset,
        think=row.think,
        allowed_nodes=row.allowed_nodes,
    )

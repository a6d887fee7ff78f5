"""Models as the fleet knows them, on the wire: where each is, how sure that is, what was told of its weights."""

from datetime import datetime
from typing import Any

from typing_extensions import TypedDict

from orchestration.models import ModelDetails, Node, NodeModel
from orchestration.payloads.base import iso, stamp


class ListingPayload(TypedDict):
    """How old a node's list of models is. ``state``: fresh, stale, expired or never; ``words`` for people;
    ``looking``: a fresh one is on its way; ``error``: why the last answer was not taken."""

    node: str
    node_id: int
    state: str
    words: str
    listed_at: str | None
    looking: bool
    reachable: bool
    error: str


class FleetListing(TypedDict):
    """Of all enabled nodes together: the oldest state, whether it is being looked at, and each node."""

    state: str
    looking: bool
    nodes: list[ListingPayload]


class ModelPlace(TypedDict):
    """A model on one node. ``digest`` is empty where the server tells none; ``same``: the digest that most have."""

    node: str
    node_id: int
    status: str
    digest: str
    same: bool
    size_bytes: int
    installed: bool
    loaded: bool
    loaded_bytes: int | None
    vram_bytes: int | None
    loaded_context: int | None
    expires_at: str | None
    modified_at: str | None
    last_used_at: str | None
    pinned: bool
    listing: ListingPayload


class ModelRow(TypedDict):
    """``differs``: the same name is other weights on other nodes; ``sure``: a node that has it was listed lately."""

    name: str
    size_bytes: int
    family: str
    parameter_size: str
    quantization: str
    capabilities: list[str]
    context_length: int | None
    installed_on: list[str]
    loaded_on: list[str]
    pinned_on: list[str]
    enabled: bool
    configured: bool
    differs: bool
    digests: dict[str, list[str]]
    sure: bool


class DetailsPayload(TypedDict):
    """What a server told of the weights. ``metadata``: without long lists."""

    digest: str
    template: str
    system: str
    parameters: str
    license: str
    metadata: dict[str, Any]
    fetched_at: str


class NameStatusPayload(TypedDict):
    """``presence``: exact, other_tag or absent; ``others``: installed names with other tags; ``near``: names that can
    be pulled and are like it; ``downloadable``: the catalogue has it, with ``size_bytes`` where known."""

    name: str
    presence: str
    others: list[str]
    downloadable: bool
    size_bytes: int | None
    near: list[str]


def model_place(
    row: NodeModel, *, status: str, listing: ListingPayload, same: bool, last_used_at: datetime | None
) -> ModelPlace:
    return ModelPlace(
        node=row.node.name,
        node_id=row.node_id,
        status=status,
        digest=row.digest,
        same=same,
        size_bytes=row.size_bytes,
        installed=row.installed,
        loaded=row.loaded,
        loaded_bytes=row.loaded_bytes,
        vram_bytes=row.vram_bytes,
        loaded_context=row.loaded_context,
        expires_at=iso(row.expires_at),
        modified_at=iso(row.modified_at),
        last_used_at=iso(last_used_at),
        pinned=row.pinned,
        listing=listing,
    )


def listing(row: Node, *, state: str, words: str, looking: bool) -> ListingPayload:
    return ListingPayload(
        node=row.name,
        node_id=row.pk,
        state=state,
        words=words,
        listed_at=iso(row.listed_at),
        looking=looking,
        reachable=row.health != "unhealthy",
        error=row.listing_error,
    )


def details(row: ModelDetails) -> DetailsPayload:
    return DetailsPayload(
        digest=row.digest,
        template=row.template,
        system=row.system,
        parameters=row.parameters,
        license=row.license,
        metadata=row.metadata,
        fetched_at=stamp(row.fetched_at),
    )

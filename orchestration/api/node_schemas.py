"""The shapes of what is sent and answered about nodes."""

from typing import Annotated, Literal

from django.conf import settings
from pydantic import AwareDatetime, Field
from typing_extensions import TypedDict

from orchestration.api.bodies import Body
from orchestration.api.schemas import Tags
from orchestration.ollama.addresses import OLLAMA_PORT
from orchestration.payloads import NodePayload

Bytes = Annotated[int, Field(ge=0, lt=2**63)]
Secret = Annotated[str, Field(max_length=8192, description="Kept encrypted, never told again.")]


class Bearer(Body):
    """Sent as ``Authorization: Bearer TOKEN``."""

    type: Literal["bearer"]
    token: Secret


class Basic(Body):
    """Sent as ``Authorization: Basic ...``."""

    type: Literal["basic"]
    user: Annotated[str, Field(max_length=200)]
    password: Secret


Headers = Annotated[
    dict[str, Secret | None],
    Field(
        max_length=20,
        description="What is sent along with each request; replaces all but the credentials. Null keeps a stored "
        "value. All of them are dropped when the address becomes another server's.",
    ),
]
Credentials = Annotated[Bearer | Basic, Field(discriminator="type", description="Null removes them.")]


class NodeChanges(Body):
    """Fields that are not sent stay as they are."""

    name: Annotated[str, Field(max_length=60)] = ""
    base_url: Annotated[str, Field(max_length=300)] = ""
    enabled: bool = True
    slots_per_model: Annotated[int, Field(ge=1, le=1000)] = settings.DROVER_SLOTS_PER_MODEL
    vram_bytes: Bytes | None = None
    disk_bytes: Bytes | None = None
    verify_tls: bool = True
    labels: Tags = []
    headers: Headers = {}
    credentials: Credentials | None = None


class NodeNew(NodeChanges):
    name: Annotated[str, Field(max_length=60)]
    base_url: Annotated[str, Field(max_length=300)]


class ProbeBody(Body):
    """A server that is not a node yet."""

    base_url: Annotated[str, Field(max_length=300)]
    verify_tls: bool = True
    headers: Headers = {}
    credentials: Credentials | None = None
    model: Annotated[str, Field(max_length=200, description="The model to generate with.")] | None = None


class Rest(Body):
    """Why the node takes nothing new, and until when. Without an end somebody has to resume it."""

    note: Annotated[str, Field(max_length=200)] = ""
    until: Annotated[AwareDatetime, Field(strict=False)] | None = None


class SearchBody(Body):
    """Private networks only, 1,024 addresses at most."""

    subnets: Annotated[list[Annotated[str, Field(max_length=60)]], Field(min_length=1, max_length=16)]
    ports: Annotated[list[Annotated[int, Field(ge=1, le=65535)]], Field(min_length=1, max_length=4)] = [OLLAMA_PORT]


class FoundServer(TypedDict):
    """``node``: its name where it is connected already."""

    base_url: str
    version: str
    models: int
    node: str | None


class SearchAnswer(TypedDict):
    """``complete`` is false when the time was over before all were asked."""

    servers: list[FoundServer]
    asked: int
    complete: bool


class NodeList(TypedDict):
    nodes: list[NodePayload]
    next_cursor: str | None


class CheckAnswer(TypedDict):
    """``ok`` is null for a check that was not made because one before it failed."""

    name: str
    ok: bool | None
    message: str
    fix: str


class NodeReport(TypedDict):
    ok: bool
    checks: list[CheckAnswer]

"""What agents remember, over REST."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Router
from ninja.responses import Status
from pydantic import Field
from typing_extensions import TypedDict

from orchestration import queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit
from orchestration.payloads.conversations import MemoryPayload, memory
from orchestration.policy.memory import FACT_CHARACTERS
from orchestration.queries.conversations import get_memory, memories
from orchestration.services import memories as service

router = Router(tags=["agents"])


class MemoryNew(Body):
    text: Annotated[str, Field(max_length=FACT_CHARACTERS)]


class MemoryList(TypedDict):
    """In the order in which they were pinned or noted."""

    memories: list[MemoryPayload]
    next_cursor: str | None


@router.get("/agents/{agent}/memories", response={200: MemoryList, **errors(403, 404)}, summary="What it remembers")
def list_memories(request: HttpRequest, agent: str, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> MemoryList:
    viewer_of(request)
    rows, following = page(memories(queries.get_agent(agent).pk), limit=limit, cursor=cursor)
    return MemoryList(memories=rows, next_cursor=following)


@router.post("/agents/{agent}/memories", response={201: MemoryPayload, **errors(403, 404, 409)}, summary="Pin a fact")
def pin_memory(request: HttpRequest, agent: str, body: MemoryNew) -> Status[MemoryPayload]:
    """It goes into every later conversation with this agent, whoever talks to it."""
    row = service.pin(actor=actor_of(request), agent=queries.get_agent(agent), text=body.text)
    return Status(201, memory(row))


@router.get(
    "/agents/{agent}/memories/{int:memory_id}",
    response={200: MemoryPayload, **errors(403, 404)},
    summary="One fact",
)
def get_one_memory(request: HttpRequest, agent: str, memory_id: int) -> MemoryPayload:
    viewer_of(request)
    return memory(get_memory(queries.get_agent(agent).pk, memory_id))


@router.put(
    "/agents/{agent}/memories/{int:memory_id}",
    response={200: MemoryPayload, **errors(403, 404)},
    summary="Word a fact anew",
)
def change_memory(request: HttpRequest, agent: str, memory_id: int, body: MemoryNew) -> MemoryPayload:
    """A note of the agent becomes a fact of whoever words it anew."""
    agent_id = queries.get_agent(agent).pk
    return memory(service.edit(actor=actor_of(request), agent_id=agent_id, memory_id=memory_id, text=body.text))


@router.delete(
    "/agents/{agent}/memories/{int:memory_id}", response={204: None, **errors(403, 404)}, summary="Forget a fact"
)
def unpin_memory(request: HttpRequest, agent: str, memory_id: int) -> Status[None]:
    service.unpin(actor=actor_of(request), agent_id=queries.get_agent(agent).pk, memory_id=memory_id)
    return Status(204, None)

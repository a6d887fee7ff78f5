"""Agents over REST."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status

from orchestration import payloads, queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, AgentChanges, AgentList, AgentNew, Cursor, Limit, laid_flat
from orchestration.models import Agent
from orchestration.payloads import AgentPayload
from orchestration.services import agents as service

router = Router(tags=["agents"])


@router.get("/agents", response={200: AgentList, **errors(403)}, summary="List agents")
def list_agents(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> AgentList:
    viewer_of(request)
    rows, following = page(queries.agents(), limit=limit, cursor=cursor)
    return AgentList(agents=rows, next_cursor=following)


@router.post("/agents", response={201: AgentPayload, **errors(403, 409, 413)}, summary="Create an agent")
def create_agent(request: HttpRequest, body: AgentNew) -> Status[AgentPayload]:
    """Models that no node has are allowed; the answer warns about them."""
    return Status(201, _payload(service.create(actor=actor_of(request), **_fields(body))))


@router.get("/agents/{agent}", response={200: AgentPayload, **errors(403, 404)}, summary="One agent, by id or name")
def get_agent(request: HttpRequest, agent: str) -> AgentPayload:
    viewer_of(request)
    return _payload(queries.get_agent(agent))


@router.put("/agents/{agent}", response={200: AgentPayload, **errors(403, 404, 409, 413)}, summary="Change an agent")
def change_agent(request: HttpRequest, agent: str, body: AgentChanges) -> AgentPayload:
    """Each field that is sent replaces the old value whole; the others stay. Submitted tasks keep what they had."""
    row = queries.get_agent(agent)
    return _payload(service.update(actor=actor_of(request), agent_id=row.pk, **_fields(body)))


@router.delete("/agents/{agent}", response={204: None, **errors(403, 404, 409)}, summary="Delete an agent")
def delete_agent(
    request: HttpRequest,
    agent: str,
    cancel_tasks: Annotated[bool, Query(description="Cancel its unfinished tasks with it.")] = False,
) -> Status[None]:
    """Refused with 409 while it has unfinished tasks. Its history stays."""
    row = queries.get_agent(agent)
    service.delete(actor=actor_of(request), agent_id=row.pk, cancel_tasks=cancel_tasks)
    return Status(204, None)


def _fields(body: AgentChanges) -> dict[str, Any]:
    """What was sent, with ``config`` laid flat as the service takes it."""
    fields = body.model_dump(exclude_unset=True)
    return {**laid_flat(fields.pop("config", {})), **fields}


def _payload(agent: Agent) -> AgentPayload:
    installed = [model["name"] for model in queries.known_models()]
    return {**payloads.agent(agent), "warnings": service.warnings(agent, installed)}

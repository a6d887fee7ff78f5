"""Nodes over REST."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status

from orchestration import queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import (
    LIMIT_DEFAULT,
    CheckAnswer,
    Cursor,
    Limit,
    NodeChanges,
    NodeList,
    NodeNew,
    NodeReport,
)
from orchestration.api.threads import in_request_thread
from orchestration.engine import doctor
from orchestration.models import Node
from orchestration.payloads import NodePayload
from orchestration.permissions import Action, Actor, require
from orchestration.services import nodes as service

router = Router(tags=["nodes"])


@router.get("/nodes", response={200: NodeList, **errors(403)}, summary="List nodes with their models")
def list_nodes(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> NodeList:
    viewer_of(request)
    rows, following = page(queries.nodes(), limit=limit, cursor=cursor)
    return NodeList(nodes=rows, next_cursor=following)


@router.post("/nodes", response={201: NodePayload, **errors(403, 409, 413)}, summary="Add a node")
def add_node(request: HttpRequest, body: NodeNew) -> Status[NodePayload]:
    """Metadata and link-local addresses are refused here and again at each connection."""
    node = service.create(actor=actor_of(request), **body.model_dump(exclude_unset=True))
    return Status(201, queries.node_detail(node.pk))


@router.get("/nodes/{node}", response={200: NodePayload, **errors(403, 404)}, summary="One node, by id or name")
def get_node(request: HttpRequest, node: str) -> NodePayload:
    viewer_of(request)
    return queries.node_detail(node)


@router.put("/nodes/{node}", response={200: NodePayload, **errors(403, 404, 409, 413)}, summary="Change a node")
def change_node(request: HttpRequest, node: str, body: NodeChanges) -> NodePayload:
    row = queries.get_node(node)
    service.update(actor=actor_of(request), node_id=row.pk, **body.model_dump(exclude_unset=True))
    return queries.node_detail(row.pk)


@router.delete("/nodes/{node}", response={204: None, **errors(403, 404)}, summary="Remove a node")
def remove_node(request: HttpRequest, node: str) -> Status[None]:
    """What runs on it moves on to others."""
    service.delete(actor=actor_of(request), node_id=queries.get_node(node).pk)
    return Status(204, None)


@router.post("/nodes/{node}/drain", response={200: NodePayload, **errors(403, 404)}, summary="Give it nothing new")
def drain_node(request: HttpRequest, node: str) -> NodePayload:
    return _set_draining(request, node, draining=True)


@router.post("/nodes/{node}/resume", response={200: NodePayload, **errors(403, 404)}, summary="Let it work again")
def resume_node(request: HttpRequest, node: str) -> NodePayload:
    return _set_draining(request, node, draining=False)


@router.post("/nodes/{node}/test", response={200: NodeReport, **errors(403, 404)}, summary="Test the connection")
async def check_node(
    request: HttpRequest,
    node: str,
    model: Annotated[str | None, Query(max_length=200, description="The model to generate with.")] = None,
) -> NodeReport:
    """Name, connection, version, models; each failure with the cause and what to do about it."""
    row = await in_request_thread(_testable, actor_of(request), node)
    checks = await doctor.check_node(row.base_url, verify_tls=row.verify_tls, model=model)
    answers = [CheckAnswer(name=c.name, ok=c.ok, message=c.message, fix=c.fix) for c in checks]
    return NodeReport(ok=all(answer["ok"] is not False for answer in answers), checks=answers)


def _testable(actor: Actor, node: str) -> Node:
    require(actor, Action.EDIT_NODE)
    return queries.get_node(node)


@router.post(
    "/nodes/{node}/reset-circuit", response={200: NodePayload, **errors(403, 404)}, summary="Close its circuit"
)
def reset_circuit(request: HttpRequest, node: str) -> NodePayload:
    """It gets work again at once, instead of after a pause and one run that goes well."""
    row = queries.get_node(node)
    service.reset_circuit(actor=actor_of(request), node_id=row.pk)
    return queries.node_detail(row.pk)


def _set_draining(request: HttpRequest, node: str, *, draining: bool) -> NodePayload:
    row = queries.get_node(node)
    service.set_draining(actor=actor_of(request), node_id=row.pk, draining=draining)
    return queries.node_detail(row.pk)

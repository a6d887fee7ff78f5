"""Nodes over REST."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router
from ninja.responses import Status

from orchestration import queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.node_schemas import (
    CheckAnswer,
    FoundServer,
    NodeChanges,
    NodeList,
    NodeNew,
    NodeReport,
    ProbeBody,
    Rest,
    SearchAnswer,
    SearchBody,
)
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit
from orchestration.api.threads import in_request_thread
from orchestration.engine import doctor, scan
from orchestration.engine.doctor import Check
from orchestration.models import Node
from orchestration.payloads import NodePayload
from orchestration.payloads.node_reports import NodeReportPayload, VersionsPayload
from orchestration.permissions import Action, Actor, require
from orchestration.queries import node_reports
from orchestration.services import discovery, node_headers
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


@router.post(
    "/nodes/discover", response={200: SearchAnswer, **errors(403, 413)}, summary="Search private networks for servers"
)
async def discover(request: HttpRequest, body: SearchBody) -> SearchAnswer:
    """Asks each address once and adds nothing; takes up to a minute. On record in the audit trail."""
    urls = await in_request_thread(discovery.begin, actor=actor_of(request), subnets=body.subnets, ports=body.ports)
    outcome = await scan.search(urls)
    names = await in_request_thread(discovery.known)
    servers = [
        FoundServer(base_url=each.base_url, version=each.version, models=each.models, node=names.get(each.base_url))
        for each in outcome.found
    ]
    return SearchAnswer(servers=servers, asked=outcome.asked, complete=outcome.complete)


@router.post("/nodes/probe", response={200: NodeReport, **errors(403, 413)}, summary="Test a server before adding it")
async def probe(request: HttpRequest, body: ProbeBody) -> NodeReport:
    """The same six checks as of a node; nothing of it is kept."""
    sealed = await in_request_thread(_sealed, actor_of(request), body)
    checks = await doctor.check_node(body.base_url, verify_tls=body.verify_tls, model=body.model, headers=sealed)
    return _report(checks)


def _sealed(actor: Actor, body: ProbeBody) -> str:
    require(actor, Action.EDIT_NODE)
    return node_headers.of_form(body.model_dump(include=set(node_headers.FIELDS), exclude_unset=True))


@router.get("/versions", response={200: VersionsPayload, **errors(403)}, summary="How the nodes' versions differ")
def version_differences(request: HttpRequest) -> VersionsPayload:
    """What older nodes lack, and what they do otherwise than the newest."""
    viewer_of(request)
    return node_reports.versions()


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


@router.get(
    "/nodes/{node}/report", response={200: NodeReportPayload, **errors(403, 404)}, summary="One node in all detail"
)
def report_node(
    request: HttpRequest,
    node: str,
    hours: Annotated[float, Query(gt=0, le=720, allow_inf_nan=False, description="How far its timeline goes.")] = 24,
) -> NodeReportPayload:
    """When it was reachable, what runs on it, its last failures, and what could be better."""
    viewer_of(request)
    return node_reports.node_report(node, now=timezone.now(), span=timedelta(hours=hours))


@router.post("/nodes/{node}/drain", response={200: NodePayload, **errors(403, 404, 413)}, summary="Give it a rest")
def drain_node(request: HttpRequest, node: str, body: Rest | None = None) -> NodePayload:
    """It finishes what it has and takes nothing new, until it is resumed or its time is over."""
    return _set_draining(request, node, draining=True, **(body.model_dump() if body else {}))


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
    found = await doctor.check_node(row.base_url, verify_tls=row.verify_tls, model=model, headers=row.sealed_headers)
    return _report(found)


def _report(checks: Sequence[Check]) -> NodeReport:
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


def _set_draining(request: HttpRequest, node: str, *, draining: bool, **rest: Any) -> NodePayload:
    row = queries.get_node(node)
    service.set_draining(actor=actor_of(request), node_id=row.pk, draining=draining, **rest)
    return queries.node_detail(row.pk)

"""What nodes are told to do with models, over REST: pull, load, unload, pin, copy, delete."""

from typing import Annotated, Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router
from ninja.responses import Status
from pydantic import Field
from typing_extensions import TypedDict

from orchestration import queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body
from orchestration.api.problems import errors
from orchestration.api.schemas import MANY, either
from orchestration.api.tasks import IdempotencyKey, fingerprint
from orchestration.errors import InvalidInput
from orchestration.payloads import RunPayload
from orchestration.payloads.pulls import PullPayload
from orchestration.policy.context import BUCKETS
from orchestration.policy.routing import full_name
from orchestration.policy.states import ErrandType
from orchestration.queries.pulls import pulls
from orchestration.services import errands, model_pins

router = Router(tags=["models"])

ALL = "all"

NodeRef = Annotated[int | str, either(int, str, words="a node's id or name")]
NodeRefs = Annotated[
    list[NodeRef] | str,
    either(list, str, words='a list of nodes, or "all"'),
    Field(max_length=MANY, description='Ids or names; "all" is every enabled node where it makes sense.'),
]
ModelName = Annotated[str, Field(max_length=200, description="As in llama3.2:3b.")]
Context = Annotated[int | None, Field(ge=1, le=BUCKETS[-1], description="Tokens; empty: as usual.")]
Force = Annotated[bool, Field(description="Although something speaks against it.")]


class OrderPayload(RunPayload):
    """``under_way``: tasks that do it already because somebody asked for it before; nothing is done twice."""

    under_way: list[int]


class PullList(TypedDict):
    pulls: list[PullPayload]


class PinPayload(TypedDict):
    node_id: int
    node: str
    model: str
    pinned: bool
    context_length: int | None
    by: str | None


class PinList(TypedDict):
    pins: list[PinPayload]


class OnNodes(Body):
    nodes: NodeRefs = ALL


class PullBody(OnNodes):
    model: ModelName | None = None
    models: Annotated[list[ModelName], Field(max_length=MANY)] = []
    force: Force = False


class LoadBody(OnNodes):
    num_ctx: Context = None


class PinBody(OnNodes):
    num_ctx: Context = None


class CopyBody(OnNodes):
    destination: ModelName


Pinned = {200: PinList, **errors(403, 404, 413, 422)}
Response = {202: OrderPayload, **errors(403, 404, 409, 413, 422, 429)}


@router.get("/pulls", response={200: PullList, **errors(403)}, summary="Pulls under way, and those that ended lately")
def list_pulls(request: HttpRequest) -> PullList:
    """Bytes, layers, speed and what is left of each; the task has the rest."""
    viewer_of(request)
    return PullList(pulls=pulls(now=timezone.now()))


@router.post("/models/pull", response=Response, summary="Pull models to nodes")
def pull_models(request: HttpRequest, body: PullBody, idempotency_key: IdempotencyKey = None) -> Status[OrderPayload]:
    """One task for each model on each node. A pull that is under way is not doubled."""
    names = [*([body.model] if body.model else []), *body.models]
    if not names:
        raise InvalidInput("Name a model, or several in models.", field="model")
    return _ordered(
        request, ErrandType.PULL, names, body, idempotency_key, force=body.force, spelled=errands.spelled(names)
    )


@router.post("/models/{path:name}/load", response=Response, summary="Load a model into the memory of nodes")
def load_model(
    request: HttpRequest, name: str, body: LoadBody | None = None, idempotency_key: IdempotencyKey = None
) -> Status[OrderPayload]:
    """The scheduler makes room by its own rules; the task ends when the model is in memory."""
    return _ordered(request, ErrandType.LOAD, [name], body, idempotency_key, num_ctx=body.num_ctx if body else None)


@router.post("/models/{path:name}/unload", response=Response, summary="Take a model out of the memory of nodes")
def unload_model(
    request: HttpRequest, name: str, body: OnNodes | None = None, idempotency_key: IdempotencyKey = None
) -> Status[OrderPayload]:
    """It leaves when its requests have ended, and is no longer pinned."""
    return _ordered(request, ErrandType.UNLOAD, [name], body, idempotency_key)


@router.post("/models/{path:name}/copy", response=Response, summary="Give a model a second name")
def copy_model(
    request: HttpRequest, name: str, body: CopyBody, idempotency_key: IdempotencyKey = None
) -> Status[OrderPayload]:
    return _ordered(request, ErrandType.COPY, [name], body, idempotency_key, destination=body.destination)


@router.post("/models/{path:name}/pin", response=Pinned, summary="Pin a model")
def pin_model(request: HttpRequest, name: str, body: PinBody | None = None) -> PinList:
    """Kept in memory: loaded when there is room, never displaced by Drover, and it does not leave by itself."""
    return _pinned(request, name, body or PinBody(), pinned=True, num_ctx=body.num_ctx if body else None)


@router.post("/models/{path:name}/unpin", response=Pinned, summary="Let a model go again")
def unpin_model(request: HttpRequest, name: str, body: OnNodes | None = None) -> PinList:
    return _pinned(request, name, body or OnNodes(), pinned=False)


@router.delete("/models/{path:name}", response=Response, summary="Delete a model from nodes")
def delete_model(
    request: HttpRequest,
    name: str,
    nodes: Annotated[str, Query(max_length=4000, description='Ids or names with commas between, or "all".')] = ALL,
    force: Annotated[bool, Query(description="Although something uses it.")] = False,
) -> Status[OrderPayload]:
    """From the disks of nodes. Refused with model_in_use, which says by whom, unless forced."""
    wanted: list[int | str] = [part.strip() for part in nodes.split(",") if part.strip()]
    body = OnNodes(nodes=ALL if wanted == [ALL] else wanted)
    return _ordered(request, ErrandType.DELETE, [name], body, None, force=force)


def _ordered(
    request: HttpRequest, type: ErrandType, names: list[str], body: OnNodes | None, key: str | None, **parameters: Any
) -> Status[OrderPayload]:
    actor, body = actor_of(request), body or OnNodes()
    request_hash = fingerprint(body, type, *names) if key else ""
    # Before it is asked which nodes come into question: when it was done, often none does any more.
    order = errands.earlier(actor, key, request_hash) or errands.order(
        actor=actor,
        type=type,
        places=errands.places_of(type, names, _node_ids(body.nodes)),
        parameters=parameters,
        idempotency_key=key,
        request_hash=request_hash,
    )
    run = queries.run_detail(order.run.pk)
    return Status(202, OrderPayload(**run, under_way=[task.pk for task in order.under_way]))


def _node_ids(nodes: list[int | str] | str) -> list[int] | None:
    """None: all of them."""
    if nodes == ALL:
        return None
    named = [nodes] if isinstance(nodes, str) else nodes
    return [queries.get_node(each).pk for each in named]


def _pinned(request: HttpRequest, name: str, body: OnNodes, *, pinned: bool, num_ctx: int | None = None) -> PinList:
    actor = actor_of(request)
    places = errands.places_of(ErrandType.LOAD, [name], _node_ids(body.nodes))
    rows = [
        model_pins.set_pinned(actor=actor, node_id=node_id, model=model, pinned=pinned, num_ctx=num_ctx)
        for model, node_id in places
    ]
    return PinList(
        pins=[
            PinPayload(
                node_id=row.node_id,
                node=row.node.name,
                model=full_name(name),
                pinned=row.pinned,
                context_length=row.pinned_context,
                by=row.pinned_by or None,
            )
            for row in rows
        ]
    )

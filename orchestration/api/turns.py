"""Turns of conversations over REST: said, asked again, edited; with the answer waited for or streamed."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from ninja import Query, Router
from pydantic import Field

from orchestration.api.auth import actor_of
from orchestration.api.bodies import Body, read_body
from orchestration.api.conversations import DocumentIds
from orchestration.api.problems import errors
from orchestration.api.schemas import ShortText, Wait
from orchestration.api.stream import lines
from orchestration.api.tasks import NDJSON, IdempotencyKey, fingerprint
from orchestration.api.threads import give_up_request_thread, in_request_thread
from orchestration.api.watching import run_ended
from orchestration.models import Turn
from orchestration.payloads.conversations import TurnPayload
from orchestration.queries.conversations import tree, turn_payloads
from orchestration.services import conversations as service
from orchestration.services.conversations import RequestKey, Saying

router = Router(tags=["conversations"])

_ERRORS = errors(403, 404, 409, 413, 422, 429)
Images = Annotated[list[str], Field(max_length=16, description="Base64, for models that see.")]
Stream = Annotated[
    bool, Query(description="Answer with NDJSON: first the turn, then the lines of tasks/{id}/stream as they come.")
]


class TurnNew(Body):
    text: str
    images: Images = []
    document_ids: DocumentIds = Field([], description="They stay with the conversation.")
    model_name: ShortText = Field("", description="Empty: the agent decides.")
    parent_id: int | None = Field(None, description="The turn it follows; left out: the end of the branch shown.")


class TurnAgain(Body):
    model_name: ShortText = Field("", description="Empty: the agent decides.")


class TurnEdited(Body):
    text: str
    images: Images | None = Field(None, description="Left out: those of the turn.")


def _openapi(shape: str) -> dict[str, Any]:
    """The body is read in a thread, because images make it large; the answer has two forms."""
    reference = {"$ref": f"#/components/schemas/{shape}"}
    line = {"$ref": "#/components/schemas/StreamLine"}
    return {
        "requestBody": {"content": {"application/json": {"schema": reference}}, "required": True},
        "responses": {200: {"content": {NDJSON: {"schema": {"anyOf": [line, {"$ref": _TURN}]}}}}},
    }


_TURN = "#/components/schemas/TurnPayload"


@router.post(
    "/conversations/{int:conversation_id}/turns",
    response={200: TurnPayload, 202: TurnPayload, **_ERRORS},
    summary="Say something",
    openapi_extra=_openapi("TurnNew"),
)
async def say(
    request: HttpRequest,
    conversation_id: int,
    wait: Wait = 0,
    stream: Stream = False,
    idempotency_key: IdempotencyKey = None,
) -> HttpResponseBase:
    """Answers 202 while the answer is unfinished, 200 when it has ended. 409 while another one is being written.

    With ``wait`` it answers when that has ended or so many seconds are over; with ``stream`` at once and line by line.
    """

    def said() -> Turn:
        body = read_body(request, TurnNew)
        return service.say(
            actor=actor_of(request),
            conversation_id=conversation_id,
            saying=Saying(text=body.text, images=body.images, model_name=body.model_name),
            parent_id=body.parent_id,
            document_ids=body.document_ids,
            request=_key(request, idempotency_key, body),
        )

    return await _answer(said, wait, stream)


@router.post(
    "/conversations/{int:conversation_id}/turns/{int:turn_id}/regenerate",
    response={200: TurnPayload, 202: TurnPayload, **_ERRORS},
    summary="Another answer to the same words",
    openapi_extra=_openapi("TurnAgain"),
)
async def regenerate_turn(
    request: HttpRequest,
    conversation_id: int,
    turn_id: int,
    wait: Wait = 0,
    stream: Stream = False,
    idempotency_key: IdempotencyKey = None,
) -> HttpResponseBase:
    """A branch beside it, which is shown from now on."""

    def said() -> Turn:
        body = read_body(request, TurnAgain)
        return service.regenerate(
            actor=actor_of(request),
            conversation_id=conversation_id,
            turn_id=turn_id,
            model_name=body.model_name,
            request=_key(request, idempotency_key, body),
        )

    return await _answer(said, wait, stream)


@router.post(
    "/conversations/{int:conversation_id}/turns/{int:turn_id}/edit",
    response={200: TurnPayload, 202: TurnPayload, **_ERRORS},
    summary="Other words in the same place",
    openapi_extra=_openapi("TurnEdited"),
)
async def edit_turn(
    request: HttpRequest,
    conversation_id: int,
    turn_id: int,
    wait: Wait = 0,
    stream: Stream = False,
    idempotency_key: IdempotencyKey = None,
) -> HttpResponseBase:
    """A branch beside it, which is shown from now on."""

    def said() -> Turn:
        body = read_body(request, TurnEdited)
        return service.edit(
            actor=actor_of(request),
            conversation_id=conversation_id,
            turn_id=turn_id,
            text=body.text,
            images=body.images,
            request=_key(request, idempotency_key, body),
        )

    return await _answer(said, wait, stream)


def _key(request: HttpRequest, key: str | None, body: Body) -> RequestKey | None:
    if not key:
        return None
    asked = f"{request.path.rstrip('/')} {fingerprint(body)}"
    return RequestKey(key=key, fingerprint=hashlib.sha256(asked.encode()).hexdigest())


async def _answer(said: Callable[[], Turn], wait: float, stream: bool) -> HttpResponseBase:
    turn = await in_request_thread(said)
    if stream and turn.task_id is not None:
        response = StreamingHttpResponse(
            _turn_and_lines(await in_request_thread(_payload, turn), turn.task_id), content_type=NDJSON
        )
        response["Cache-Control"] = "no-store"
        response["X-Accel-Buffering"] = "no"
        return response
    run_id = turn.task.run_id if turn.task else None
    if wait and run_id is not None:
        give_up_request_thread()
        await run_ended(run_id, wait)
    payload = await in_request_thread(_payload, turn)
    unfinished = payload["answer"] is not None and payload["answer"]["status"] in ("pending", "running")
    return JsonResponse(payload, status=202 if unfinished else 200)


async def _turn_and_lines(turn: TurnPayload, task_id: int) -> AsyncIterator[bytes]:
    yield json.dumps(turn, separators=(",", ":")).encode() + b"\n"
    async for line in lines(task_id):
        yield line


def _payload(turn: Turn) -> TurnPayload:
    found = tree(turn.conversation_id)
    (payload,) = turn_payloads(found, [turn.pk], first_number=len(found.path(turn.pk)))
    return payload

"""Conversations over REST: begun, listed, renamed, branched, exported. What is said in them is in turns.py."""

import json
from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from ninja.responses import Status
from pydantic import Field
from typing_extensions import TypedDict

from orchestration import queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit, either
from orchestration.payloads.conversations import ConversationDetail, ConversationPayload
from orchestration.queries import transcripts
from orchestration.queries.conversations import conversations, detail, get_conversation
from orchestration.services import conversations as service
from orchestration.services.turns import next_window

router = Router(tags=["conversations"])

Title = Annotated[str, Field(max_length=160, description="Shortened to 80 characters.")]
AgentKey = Annotated[int | str, either(int, str, words="an agent's id or name")]
DocumentIds = Annotated[list[int], Field(max_length=service.MOST_DOCUMENTS)]


class ConversationNew(Body):
    agent_id: AgentKey = Field("default", description="Id or name.")
    title: Title = Field("", description="Empty: the first line that is said.")
    document_ids: DocumentIds = []


class ConversationChanges(Body):
    """Fields that are not sent stay as they are."""

    title: Title | None = None
    agent_id: Annotated[int | str | None, either(int, str, type(None), words="an agent's id or name")] = None


class HeadChange(Body):
    turn_id: int


class ConversationList(TypedDict):
    """The last changed first, without their turns."""

    conversations: list[ConversationPayload]
    next_cursor: str | None


@router.get("/conversations", response={200: ConversationList, **errors(403)}, summary="List conversations")
def list_conversations(
    request: HttpRequest,
    owner: Annotated[str, Query(max_length=150, description="Only those of this person.")] = "",
    text: Annotated[str, Query(max_length=200, description="In the title, or in what somebody said.")] = "",
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> ConversationList:
    """The last changed first."""
    viewer_of(request)
    rows, following = conversations(owner=owner, text=text, limit=limit, cursor=cursor)
    return ConversationList(conversations=rows, next_cursor=following)


@router.post(
    "/conversations",
    response={201: ConversationDetail, **errors(403, 404)},
    summary="Begin a conversation with an agent",
)
def create_conversation(request: HttpRequest, body: ConversationNew) -> Status[ConversationDetail]:
    made = service.create(
        actor=actor_of(request),
        agent=queries.get_agent(str(body.agent_id)),
        title=body.title,
        document_ids=body.document_ids,
    )
    return Status(201, _detail(made.pk))


@router.get(
    "/conversations/{int:conversation_id}",
    response={200: ConversationDetail, **errors(403, 404)},
    summary="A conversation with the branch it shows",
)
def get_one_conversation(request: HttpRequest, conversation_id: int) -> ConversationDetail:
    viewer_of(request)
    return _detail(conversation_id)


@router.put(
    "/conversations/{int:conversation_id}",
    response={200: ConversationDetail, **errors(403, 404)},
    summary="Rename it, or let another agent answer",
)
def change_conversation(request: HttpRequest, conversation_id: int, body: ConversationChanges) -> ConversationDetail:
    """Fields that are not sent stay as they are."""
    agent = None if body.agent_id is None else queries.get_agent(str(body.agent_id))
    service.update(actor=actor_of(request), conversation_id=conversation_id, title=body.title, agent=agent)
    return _detail(conversation_id)


@router.delete(
    "/conversations/{int:conversation_id}",
    response={204: None, **errors(403, 404, 409)},
    summary="Delete it with its answers",
)
def delete_conversation(request: HttpRequest, conversation_id: int) -> Status[None]:
    """Refused with 409 while an answer is being written."""
    service.delete(actor=actor_of(request), conversation_id=conversation_id)
    return Status(204, None)


@router.put(
    "/conversations/{int:conversation_id}/head",
    response={200: ConversationDetail, **errors(403, 404)},
    summary="Show another branch",
)
def choose_branch(request: HttpRequest, conversation_id: int, body: HeadChange) -> ConversationDetail:
    """The newest branch through this turn; what is said next continues it."""
    service.choose(actor=actor_of(request), conversation_id=conversation_id, turn_id=body.turn_id)
    return _detail(conversation_id)


@router.put(
    "/conversations/{int:conversation_id}/documents/{int:document_id}",
    response={200: ConversationDetail, **errors(400, 403, 404)},
    summary="Let its answers use a document",
)
def attach_document(request: HttpRequest, conversation_id: int, document_id: int) -> ConversationDetail:
    service.attach(actor=actor_of(request), conversation_id=conversation_id, document_id=document_id)
    return _detail(conversation_id)


@router.delete(
    "/conversations/{int:conversation_id}/documents/{int:document_id}",
    response={200: ConversationDetail, **errors(403, 404)},
    summary="Take a document away from it",
)
def detach_document(request: HttpRequest, conversation_id: int, document_id: int) -> ConversationDetail:
    service.detach(actor=actor_of(request), conversation_id=conversation_id, document_id=document_id)
    return _detail(conversation_id)


@router.get(
    "/conversations/{int:conversation_id}/export",
    response={200: None, **errors(403, 404)},
    summary="Take a conversation away",
    openapi_extra={
        "responses": {
            200: {
                "content": {
                    "text/markdown": {"schema": {"type": "string"}},
                    "application/json": {"schema": {"type": "object"}},
                }
            }
        }
    },
)
def export_conversation(
    request: HttpRequest, conversation_id: int, format: Literal["markdown", "json"] = "markdown"
) -> HttpResponse:
    """Markdown has the branch that is shown, JSON all branches with their images."""
    viewer_of(request)
    return exported(conversation_id, format)


def exported(conversation_id: int, wanted: str) -> HttpResponse:
    if wanted == "json":
        body = json.dumps(transcripts.as_json(conversation_id), ensure_ascii=False, indent=2)
        response = HttpResponse(body, content_type="application/json")
    else:
        response = HttpResponse(transcripts.markdown(conversation_id), content_type="text/markdown; charset=utf-8")
    suffix = "json" if wanted == "json" else "md"
    response["Content-Disposition"] = f'attachment; filename="conversation-{conversation_id}.{suffix}"'
    return response


def _detail(conversation_id: int) -> ConversationDetail:
    conversation = get_conversation(conversation_id)
    return detail(conversation, next_window(conversation))

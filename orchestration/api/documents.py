"""Documents over REST: uploaded as files or as JSON, listed, read, deleted."""

from typing import Annotated, Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status
from pydantic import Field
from typing_extensions import TypedDict

from orchestration import payloads, queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body, read_body
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit
from orchestration.errors import InvalidInput
from orchestration.payloads import DocumentPayload
from orchestration.services import documents as service
from orchestration.services.documents import Uploaded

router = Router(tags=["documents"])
MULTIPART = "multipart/form-data"


class DocumentNew(Body):
    """A text. Files go as multipart/form-data in the field ``file``, with ``name`` beside it if need be."""

    name: Annotated[str, Field(min_length=1, max_length=1000)]
    text: str
    markdown: bool | None = Field(None, description="Whether # begins a heading; left out, the name decides.")


class DocumentList(TypedDict):
    """Newest first, without their texts."""

    documents: list[DocumentPayload]
    next_cursor: str | None


_FILE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "Plain text, Markdown or PDF."},
        "name": {"type": "string", "description": "Instead of the file's own."},
    },
    "required": ["file"],
}
_BODY = {
    "content": {"application/json": {"schema": DocumentNew.model_json_schema()}, MULTIPART: {"schema": _FILE}},
    "required": True,
}


@router.get("/documents", response={200: DocumentList, **errors(403)}, summary="List documents, newest first")
def list_documents(
    request: HttpRequest,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
    text: Annotated[str, Query(max_length=200, description="Part of the name.")] = "",
) -> DocumentList:
    viewer_of(request)
    rows, following = queries.documents(text=text, limit=limit, cursor=cursor)
    return DocumentList(documents=rows, next_cursor=following)


@router.post(
    "/documents",
    response={200: DocumentPayload, 201: DocumentPayload, **errors(403, 413, 422, 429)},
    summary="Upload a document",
    openapi_extra={"requestBody": _BODY},
)
def upload_document(request: HttpRequest) -> Status[DocumentPayload]:
    """Plain text, Markdown or PDF, of which the text is kept. Answers 200 with the one that you had already.

    A PDF that is encrypted, damaged or only pictures is refused with 422.
    """
    actor = actor_of(request)
    if request.content_type == MULTIPART:
        uploaded = _file(request)
    else:
        body = read_body(request, DocumentNew)
        uploaded = service.write(actor=actor, name=body.name, text=body.text, markdown=body.markdown)
    return Status(201 if uploaded.new else 200, payloads.document(uploaded.document))


def _file(request: HttpRequest) -> Uploaded:
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        raise InvalidInput("Send the document as the field file of the form.", field="file")
    name = str(request.POST.get("name") or file.name or "")
    return service.upload(actor=actor_of(request), name=name, file=file)


@router.get(
    "/documents/{int:document_id}", response={200: DocumentPayload, **errors(403, 404)}, summary="A document's text"
)
def get_document(request: HttpRequest, document_id: int) -> DocumentPayload:
    viewer_of(request)
    return payloads.document(queries.get_document(document_id), with_text=True)


@router.delete("/documents/{int:document_id}", response={204: None, **errors(403, 404)}, summary="Delete a document")
def delete_document(request: HttpRequest, document_id: int) -> Status[None]:
    """Tasks keep the passages that went into their prompts."""
    service.delete(actor=actor_of(request), document_id=document_id)
    return Status(204, None)

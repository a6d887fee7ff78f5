"""Documents: the list with its uploads, one document as the passages that prompts get, deletion."""

from bisect import bisect_right
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from dashboard.views import actor, done, page, wants_json
from orchestration import payloads, queries
from orchestration.errors import DroverError, InvalidInput, NotAllowed
from orchestration.payloads import DocumentPayload
from orchestration.permissions import Action, Actor, Owned, refusal
from orchestration.policy.passages import cut
from orchestration.queries.ids import id_of
from orchestration.services import documents as service
from orchestration.services.passages import source_of

ROWS = 50
PASSAGES_SHOWN = 60
KINDS = {"text/plain": "Text", "text/markdown": "Markdown", "application/pdf": "PDF"}


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    text, cursor = request.GET.get("q", "").strip()[:200], request.GET.get("cursor")
    rows, following = queries.documents(text=text, limit=ROWS, cursor=cursor)
    who = actor(request)
    context = {
        "documents": [_row(row, who) for row in rows],
        "text": text,
        "cursor": cursor,
        "next_query": urlencode({"q": text, "cursor": following}) if following else "",
        "why_no_upload": refusal(who, Action.EDIT_DOCUMENT) or "",
        "most_bytes": settings.DROVER_MAX_DOCUMENT_BYTES,
        "budget": settings.DROVER_CONTEXT_TOKENS,
    }
    return render(request, "documents/index.html", context)


class _Belongs:
    """Whose a document is, for the question who may delete it."""

    def __init__(self, owner_id: int | None) -> None:
        self.owner_id = owner_id


def _row(row: DocumentPayload, who: Actor) -> dict[str, Any]:
    owned: Owned = _Belongs(row["owner_id"])
    why_not = refusal(who, Action.EDIT_DOCUMENT, owned) or ""
    return {**row, "kind": KINDS.get(row["media_type"], row["media_type"]), "why_no_delete": why_not}


@require_POST
@page
def upload(request: HttpRequest) -> HttpResponse:
    """One file or several; a script sends them one by one and gets each document back."""
    files = [file for file in request.FILES.getlist("file") if isinstance(file, UploadedFile)]
    if not files:
        raise InvalidInput("Choose a file first.", field="file")
    if wants_json(request):
        document, new = service.upload(actor=actor(request), name=files[0].name or "", file=files[0])
        words = f"{document.name} is ready." if new else f"You had this text already, as {document.name}."
        return JsonResponse({"message": words, "url": "", "document": payloads.document(document), "new": new})
    refused = [words for file in files if (words := _refused(request, file))]
    kept = len(files) - len(refused)
    for words in refused:
        messages.error(request, words)
    return done(request, f"{kept} document{'s' if kept != 1 else ''} added." if kept else "")


def _refused(request: HttpRequest, file: "UploadedFile[Any]") -> str:
    try:
        service.upload(actor=actor(request), name=file.name or "", file=file)
    except NotAllowed:
        raise
    except DroverError as error:
        return f"{file.name}: {error.message}"
    return ""


@require_safe
@page
def detail(request: HttpRequest, document_id: int) -> HttpResponse:
    """As many passages as a page holds; ``?at=`` is a place in the text, in characters."""
    row = queries.get_document(document_id)
    passages = cut(source_of(row))
    at = id_of(request.GET.get("at", "")) if "at" in request.GET else None
    here = bisect_right([passage.start for passage in passages], at or 0) - 1 if "at" in request.GET else None
    first = max(0, here or 0) // PASSAGES_SHOWN * PASSAGES_SHOWN
    shown = passages[first : first + PASSAGES_SHOWN]
    context = {
        "document": _row(payloads.document(row), actor(request)),
        "passages": [(passage, number == here) for number, passage in enumerate(shown, start=first)],
        "count": len(passages),
        "first": first + 1,
        "last": first + len(shown),
        "before": passages[first - PASSAGES_SHOWN].start if first else None,
        "after": passages[first + PASSAGES_SHOWN].start if first + PASSAGES_SHOWN < len(passages) else None,
    }
    return render(request, "documents/detail.html", context)


@require_POST
@page
def delete(request: HttpRequest, document_id: int) -> HttpResponse:
    name = queries.get_document(document_id).name
    service.delete(actor=actor(request), document_id=document_id)
    return done(request, f"{name} is deleted. Tasks keep what they were given of it.", to=reverse("documents"))

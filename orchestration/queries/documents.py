"""Documents: pages of them without their texts, and single ones."""

from collections.abc import Sequence

from orchestration import payloads
from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Document
from orchestration.payloads import DocumentPayload
from orchestration.queries.ids import id_of

MOST_ROWS = 200


def documents(
    *, text: str = "", limit: int = 50, cursor: str | None = None
) -> tuple[list[DocumentPayload], str | None]:
    """Newest first, those whose name contains the text, and the cursor to older ones."""
    limit = max(1, min(limit, MOST_ROWS))
    rows = Document.objects.select_related("owner").defer("text")
    if text.strip():
        rows = rows.filter(name__icontains=text.strip())
    if cursor:
        rows = rows.filter(pk__lt=_before(cursor))
    found = list(rows[: limit + 1])
    following = str(found[limit - 1].pk) if len(found) > limit else None
    return [payloads.document(row) for row in found[:limit]], following


def _before(cursor: str) -> int:
    at = id_of(cursor)
    if at is None:
        raise InvalidInput("This cursor is not one that an answer gave as next_cursor.", field="cursor")
    return at


def get_document(document_id: int) -> Document:
    row = Document.objects.select_related("owner").filter(pk=document_id).first()
    if row is None:
        raise NotFound(f"There is no document {document_id}.")
    return row


def documents_by_id(ids: Sequence[int]) -> list[DocumentPayload]:
    """Those that exist, in the order given."""
    rows = Document.objects.select_related("owner").defer("text").in_bulk(list(ids))
    return [payloads.document(rows[pk]) for pk in dict.fromkeys(ids) if pk in rows]


def documents_of_task(task_id: int) -> list[DocumentPayload]:
    rows = Document.objects.select_related("owner").defer("text").filter(tasks=task_id)
    return [payloads.document(row) for row in rows.order_by("pk")]

"""Documents on the wire."""

from typing import NotRequired

from typing_extensions import TypedDict

from orchestration.models import Document
from orchestration.payloads.base import stamp


class DocumentPayload(TypedDict):
    """``size_bytes`` is of the file; the rest is about its text. ``text`` is there where one document is asked for."""

    id: int
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    characters: int
    tokens: int
    pages: int | None
    owner: str | None
    owner_id: int | None
    created_at: str
    text: NotRequired[str]


def document(row: Document, *, with_text: bool = False) -> DocumentPayload:
    payload = DocumentPayload(
        id=row.pk,
        name=row.name,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        characters=row.characters,
        tokens=row.tokens,
        pages=row.pages,
        owner=row.owner.username if row.owner else None,
        owner_id=row.owner_id,
        created_at=stamp(row.created_at),
    )
    return {**payload, "text": row.text} if with_text else payload

"""Kept answers and collections on the wire."""

from collections.abc import Sequence
from typing import Any

from typing_extensions import TypedDict

from orchestration.models import Collection, Output
from orchestration.payloads.base import iso, stamp
from orchestration.payloads.tasks import tokens_per_second
from orchestration.policy.snippets import Part


class SnippetPart(TypedDict):
    """``hit``: it is what was looked for."""

    text: str
    hit: bool


class Named(TypedDict):
    id: int
    name: str


class OutputRow(TypedDict):
    """An answer in a list; ``id`` is its task's. ``snippet_of``: prompt or output."""

    id: int
    run_id: int
    title: list[SnippetPart]
    snippet: list[SnippetPart]
    snippet_of: str
    type: str
    agent: str
    model: str
    node: str | None
    owner: str | None
    owner_id: int | None
    rating: int | None
    rated_by: str | None
    note: str
    tags: list[str]
    collections: list[Named]
    characters: int
    has_json: bool
    prompt_tokens: int | None
    output_tokens: int | None
    tokens_per_second: float | None
    duration_seconds: float | None
    ended_at: str
    text_removed_at: str | None


class OutputPayload(OutputRow):
    """An answer in full; texts are empty once they were removed."""

    prompt: str
    system: str
    output: str
    thinking: str
    tool_calls: list[Any]
    metadata: dict[str, Any]
    client_ref: str | None


class FacetValue(TypedDict):
    value: str
    count: int


class OutputPage(TypedDict):
    """``total``: of those found; where ``is_whole`` is false, of the newest of them alone, and so are ``facets``."""

    outputs: list[OutputRow]
    next_cursor: str | None
    total: int | None
    is_whole: bool | None
    facets: dict[str, list[FacetValue]]


class CollectionPayload(TypedDict):
    id: int
    name: str
    description: str
    owner: str | None
    owner_id: int | None
    outputs: int
    created_at: str
    url: str


def parts(found: Sequence[Part]) -> list[SnippetPart]:
    return [SnippetPart(text=text, hit=hit) for text, hit in found]


def output_row(row: Output, *, title: Sequence[Part], snippet: Sequence[Part], snippet_of: str) -> OutputRow:
    """Needs the row with its task, owner, tags and collections."""
    task = row.task
    return OutputRow(
        id=row.pk,
        run_id=task.run_id,
        title=parts(title),
        snippet=parts(snippet),
        snippet_of=snippet_of,
        type=row.type,
        agent=row.agent_name,
        model=row.model_name,
        node=row.node_name or None,
        owner=row.owner.username if row.owner else None,
        owner_id=row.owner_id,
        rating=row.rating,
        rated_by=row.rated_by_name or None,
        note=row.note,
        tags=sorted(each.tag for each in row.tags.all()),
        collections=[Named(id=each.pk, name=each.name) for each in row.collections.all()],
        characters=row.chars,
        has_json=row.has_json,
        prompt_tokens=task.prompt_tokens,
        output_tokens=task.output_tokens,
        tokens_per_second=tokens_per_second(task),
        duration_seconds=task.duration_seconds,
        ended_at=stamp(row.ended_at),
        text_removed_at=iso(row.text_removed_at),
    )


def collection(row: Collection, *, outputs: int) -> CollectionPayload:
    return CollectionPayload(
        id=row.pk,
        name=row.name,
        description=row.description,
        owner=row.owner.username if row.owner else None,
        owner_id=row.owner_id,
        outputs=outputs,
        created_at=stamp(row.created_at),
        url=f"/outputs?collection={row.pk}",
    )

"""Files as answers: which formats there are, and how a browser is told to keep one."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from django.http import HttpResponse, JsonResponse
from ninja import Query

Found = TypeVar("Found")


class SheetFormat(StrEnum):
    MARKDOWN = "markdown"
    CSV = "csv"
    JSON = "json"


Format = Annotated[SheetFormat, Query(description="markdown, csv or json")]

_KINDS = {
    SheetFormat.MARKDOWN: ("text/markdown; charset=utf-8", "md"),
    SheetFormat.CSV: ("text/csv; charset=utf-8", "csv"),
}


def described(shape: str) -> dict[str, Any]:
    """The three formats of an answer, for the schema; ``shape`` is what JSON has."""
    text = {"schema": {"type": "string"}}
    content = {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{shape}"}},
        "text/markdown": text,
        "text/csv": text,
    }
    return {"responses": {200: {"content": content}}}


def sheet(
    found: Found, wanted: SheetFormat, name: str, writers: Mapping[SheetFormat, Callable[[Found], str]]
) -> HttpResponse:
    if wanted == SheetFormat.JSON:
        answer: HttpResponse = JsonResponse(found, json_dumps_params={"ensure_ascii": False, "indent": 2})
        ending = "json"
    else:
        kind, ending = _KINDS[wanted]
        answer = HttpResponse(writers[wanted](found), content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="{name}.{ending}"'
    return answer

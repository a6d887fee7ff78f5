"""Answers as files, sent on page by page while they are read."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from orchestration.api.threads import give_up_request_thread, in_any_thread
from orchestration.payloads.outputs import OutputPayload, SnippetPart
from orchestration.policy.answer_files import Archive, file_name, markdown
from orchestration.policy.sheets import csv_lines
from orchestration.queries.output_filter import OutputFilter
from orchestration.queries.outputs import export_page

_OF_LISTS = frozenset({"snippet", "snippet_of"})
COLUMNS = tuple(name for name in (*OutputPayload.__annotations__,) if name not in _OF_LISTS)


class OutputKind(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    MARKDOWN = "markdown"
    ZIP = "zip"


class File(NamedTuple):
    media_type: str
    ending: str


KINDS = {
    OutputKind.JSONL: File("application/x-ndjson", "jsonl"),
    OutputKind.CSV: File("text/csv", "csv"),
    OutputKind.MARKDOWN: File("text/markdown", "md"),
    OutputKind.ZIP: File("application/zip", "zip"),
}


class Writer(Protocol):
    """What a file begins with, what a page of answers adds to it, and its end."""

    def begin(self) -> bytes: ...

    def page(self, rows: Sequence[OutputPayload]) -> bytes: ...

    def end(self) -> bytes: ...


async def written(asked: OutputFilter, kind: OutputKind, now: datetime) -> AsyncIterator[bytes]:
    give_up_request_thread()
    writer: Writer = _Zip(now) if kind == OutputKind.ZIP else _WRITERS[kind]()
    if first := writer.begin():
        yield first
    below: int | None = None
    while True:
        rows, below = await in_any_thread(_read, asked, below)
        if rows:
            yield await in_any_thread(writer.page, rows)
        if below is None:
            break
    if last := await in_any_thread(writer.end):
        yield last


def _read(asked: OutputFilter, below: int | None) -> tuple[list[OutputPayload], int | None]:
    return export_page(asked, below=below)


class _Lines:
    def begin(self) -> bytes:
        return b""

    def page(self, rows: Sequence[OutputPayload]) -> bytes:
        return b"".join(json_of(_flat(row)) + b"\n" for row in rows)

    def end(self) -> bytes:
        return b""


class _Csv(_Lines):
    def begin(self) -> bytes:
        return csv_lines([COLUMNS])

    def page(self, rows: Sequence[OutputPayload]) -> bytes:
        return csv_lines(_cells(_flat(row)) for row in rows)


class _Markdown(_Lines):
    def page(self, rows: Sequence[OutputPayload]) -> bytes:
        return "".join(f"{markdown(row, plain(row['title']))}\n---\n\n" for row in rows).encode()


class _Zip:
    """The metadata come last, when all of them are known; they are kept without the texts that have files."""

    def __init__(self, now: datetime) -> None:
        self._archive = Archive(now)
        self._metadata: list[dict[str, Any]] = []

    def begin(self) -> bytes:
        return b""

    def page(self, rows: Sequence[OutputPayload]) -> bytes:
        return b"".join(self._added(row) for row in rows)

    def _added(self, row: OutputPayload) -> bytes:
        title = plain(row["title"])
        name = f"{file_name(row['id'], title)}.md"
        texts = ("prompt", "system", "output", "thinking", "tool_calls")
        facts = {key: value for key, value in _flat(row).items() if key not in texts}
        self._metadata.append({"file": name, **facts})
        return self._archive.add(name, markdown(row, title).encode())

    def end(self) -> bytes:
        return self._archive.add("metadata.json", json_of(self._metadata)) + self._archive.close()


_WRITERS: dict[OutputKind, type[_Lines]] = {
    OutputKind.JSONL: _Lines,
    OutputKind.CSV: _Csv,
    OutputKind.MARKDOWN: _Markdown,
}


def plain(parts: Iterable[SnippetPart]) -> str:
    return "".join(part["text"] for part in parts)


def _flat(row: OutputPayload) -> dict[str, Any]:
    """Without what only a search has, titles and collections as plain names."""
    known: dict[str, Any] = dict(row)
    changed = {"title": plain(row["title"]), "collections": [each["name"] for each in row["collections"]]}
    return {name: changed.get(name, known[name]) for name in COLUMNS}


def _cells(row: dict[str, Any]) -> list[Any]:
    return [json_of(value).decode() if isinstance(value, list | dict) else value for value in row.values()]


def json_of(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

"""Rows of a batch as people bring them: CSV, JSON, JSON lines or a plain list become columns and rows.

Whatever cannot be read is refused with the line it stands in.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestration.errors import InvalidInput
from orchestration.policy.strict_json import read_json

ONLY = "text"
"""The column of a list without columns."""
DELIMITERS = (",", ";", "\t", "|")
MOST_COLUMNS = 200
NAME_SHOWN = 60
_LOOKED_AT = 50
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
_UNNAMEABLE = re.compile(r"[^\w-]+")

csv.field_size_limit(2**31 - 1)  # how long a prompt may be is said elsewhere, in words


class Format(StrEnum):
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    LIST = "list"


SUFFIXES = {
    "csv": Format.CSV,
    "tsv": Format.CSV,
    "tab": Format.CSV,
    "json": Format.JSON,
    "jsonl": Format.JSONL,
    "ndjson": Format.JSONL,
}


@dataclass(frozen=True, slots=True)
class Row:
    """``place``: the line it begins in; the number of the item where there are no lines."""

    place: int
    cells: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """``names``: what placeholders call each column, which may have blanks in it. ``unit``: what ``place`` counts."""

    format: Format
    columns: Sequence[str]
    names: Mapping[str, str]
    rows: Sequence[Row]
    unit: str = "line"
    delimiter: str = ""

    def text(self, row: Row, column: str) -> str:
        return text_of(row.cells.get(column))

    def texts(self, row: Row) -> dict[str, str]:
        """By the names that placeholders use."""
        return {self.names[column]: text_of(row.cells.get(column)) for column in self.columns}


def text_of(value: Any) -> str:
    """A cell as it goes into a prompt: texts as they are, nothing for what is missing, anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def decoded(data: bytes) -> str:
    """Raises InvalidInput with the line where the bytes are no text."""
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidInput(f"Line {line} is not UTF-8: save the file as UTF-8.", field="text", line=line) from error


def read_table(text: str, wanted: Format | None = None, file_name: str = "") -> Table:
    """``wanted`` counts most, then the ending of the file's name, then what the text looks like."""
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise InvalidInput("There are no rows: paste some, or choose a file that has any.", field="text")
    _refuse_unstorable(text)
    suffix = file_name.rpartition(".")[2].lower() if "." in file_name else ""
    return _READERS[wanted or SUFFIXES.get(suffix) or _guessed(text)](text)


def table_of(rows: Sequence[Any]) -> Table:
    """Rows that came as JSON already: texts, or objects with a value for each column."""
    return _of_items(list(enumerate(rows, start=1)), Format.JSON, "row")


def _guessed(text: str) -> Format:
    start = text.lstrip()[:1]
    if start == "[":
        return Format.JSON
    if start == "{":
        return Format.JSONL
    return Format.CSV if _delimiter(text) else Format.LIST


def _refuse_unstorable(text: str) -> None:
    for character, words in (("\0", "the character NUL"), (_half(text), "half of a surrogate pair")):
        at = text.find(character) if character else -1
        if at >= 0:
            line = text.count("\n", 0, at) + 1
            raise InvalidInput(f"Line {line} contains {words}, which cannot be stored.", field="text", line=line)


def _half(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text[error.start]
    return ""


def _read_list(text: str) -> Table:
    lines = enumerate(text.splitlines(), start=1)
    rows = [Row(number, {ONLY: line.strip()}) for number, line in lines if line.strip()]
    return Table(format=Format.LIST, columns=[ONLY], names={ONLY: ONLY}, rows=rows)


def _read_csv(text: str) -> Table:
    skipped, text = _without_hint(text)
    delimiter = _delimiter(text) or ","
    records = _records(text, delimiter)
    first, columns = next(records)
    columns = _header(columns, first + skipped)
    rows = [Row(line + skipped, _cells(columns, values, line + skipped)) for line, values in records]
    if not rows:
        raise InvalidInput("There is a header, but no row below it.", field="text")
    return Table(format=Format.CSV, columns=columns, names=_names(columns), rows=rows, delimiter=delimiter)


def _without_hint(text: str) -> tuple[int, str]:
    """Excel's first line ``sep=;`` names the delimiter, which is found without it."""
    first, _, rest = text.partition("\n")
    return (1, rest) if re.fullmatch(r"sep=.\r?", first, re.IGNORECASE) else (0, text)


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """With the line each begins in; lines with nothing in them are no records."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader, None)
        except csv.Error as error:
            words = "has a quote that is never closed" if "end of data" in str(error) else f"is no CSV: {error}"
            raise InvalidInput(f"Line {line} {words}.", field="text", line=line) from error
        if values is None:
            return
        if any(value.strip() for value in values):
            yield line, values


def _delimiter(text: str) -> str:
    """The one that cuts the first records into the same number of pieces, the most of them; empty if none does."""
    counts = {delimiter: _pieces(text, delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: counts[delimiter])
    return best if counts[best] > 1 else ""


def _pieces(text: str, delimiter: str) -> int:
    """Columns of the first record where nearly all of the first ones have as many; else 0."""
    widths: list[int] = []
    try:
        for _, values in _records(text, delimiter):
            widths.append(len(values))
            if len(widths) == _LOOKED_AT:
                break
    except InvalidInput:
        pass  # it is told when the table is read
    agreeing = sum(width == widths[0] for width in widths[1:])
    return widths[0] if agreeing and agreeing >= 0.8 * (len(widths) - 1) else 0


def _header(names: Sequence[str], line: int) -> list[str]:
    columns = [name.strip() for name in names]
    for number, name in enumerate(columns, start=1):
        if not name:
            raise InvalidInput(f"Line {line}: column {number} has no name.", field="text", line=line)
        if columns.index(name) + 1 < number:
            raise InvalidInput(f"Line {line}: two columns are called {_shown(name)}.", field="text", line=line)
    _check_width(columns)
    return columns


def _check_width(columns: Sequence[str]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise InvalidInput(f"There are {len(columns):,} columns; at most {MOST_COLUMNS} are taken.", field="text")


def _cells(columns: Sequence[str], values: Sequence[str], line: int) -> dict[str, str]:
    if len(values) != len(columns):
        held = f"{len(values)} value{'' if len(values) == 1 else 's'}"
        words = f"Line {line} has {held}, the header names {len(columns)} columns."
        raise InvalidInput(words, field="text", line=line)
    return dict(zip(columns, values, strict=True))


def _read_json(text: str) -> Table:
    items = _parsed(text, 0)
    if not isinstance(items, list):
        raise InvalidInput("The JSON is not a list: send a list of texts or of objects.", field="text", line=1)
    return _of_items(list(enumerate(items, start=1)), Format.JSON, "item")


def _read_jsonl(text: str) -> Table:
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return _of_items([(number, _parsed(line, number)) for number, line in lines], Format.JSONL, "line")


def _parsed(text: str, line: int) -> Any:
    """``line``: the one it all stands in; 0 where it has lines of its own."""
    try:
        return read_json(text.encode())
    except json.JSONDecodeError as error:
        at = line or error.lineno
        place = f"Line {at}, column {error.colno}"
        raise InvalidInput(f"{place}: this is not JSON, {error.msg}.", field="text", line=at) from error
    except (ValueError, RecursionError, InvalidInput) as error:
        words = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidInput(f"Line {line or 1}: {words}", field="text", line=line or 1) from error


def _of_items(items: Sequence[tuple[int, Any]], kind: Format, unit: str) -> Table:
    if not items:
        raise InvalidInput("The list is empty: there is no row.", field=_field(unit))
    if _are_texts(items, unit):
        rows = [Row(place, {ONLY: item}) for place, item in items]
        return Table(format=kind, columns=[ONLY], names={ONLY: ONLY}, rows=rows, unit=unit)
    columns = list(dict.fromkeys(name for _, item in items for name in item))
    if not columns or not all(name.strip() for name in columns):
        raise InvalidInput("A field of the objects has no name, or there is none.", field=_field(unit))
    _check_width(columns)
    rows = [Row(place, item) for place, item in items]
    return Table(format=kind, columns=columns, names=_names(columns), rows=rows, unit=unit)


def _are_texts(items: Sequence[tuple[int, Any]], unit: str) -> bool:
    """Or objects; all of them must be the same."""
    texts = isinstance(items[0][1], str)
    for place, item in items:
        if not isinstance(item, str | dict):
            words = f"{unit.capitalize()} {place} is neither a text nor an object."
        elif isinstance(item, str) != texts:
            found, before = ("an object", "texts") if texts else ("a text", "objects")
            words = f"{unit.capitalize()} {place} is {found}, those before it are {before}."
        else:
            continue
        raise InvalidInput(words, field=_field(unit), line=place)
    return texts


def _field(unit: str) -> str:
    return "rows" if unit == "row" else "text"


def _names(columns: Iterable[str]) -> dict[str, str]:
    """What placeholders call them: ``Review text`` is ``{{Review_text}}``. Two that would be called the same are
    told apart by a number."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for column in columns:
        name = stem = nameable(column)
        number = 2
        while name in taken:
            name, number = f"{stem}_{number}", number + 1
        taken.add(name)
        names[column] = name
    return names


def nameable(column: str) -> str:
    name = _UNNAMEABLE.sub("_", column.strip()).strip("_") or "column"
    return name if re.match(r"[A-Za-z_]", name) else f"_{name}"


def _shown(name: str) -> str:
    return f"“{name[:NAME_SHOWN]}”"


_READERS = {Format.CSV: _read_csv, Format.JSON: _read_json, Format.JSONL: _read_jsonl, Format.LIST: _read_list}

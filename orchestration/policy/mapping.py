"""Which column of a batch is what, and each row as it would be sent: templates filled in a single pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from orchestration.errors import InvalidInput
from orchestration.policy.tables import Row, Table, text_of
from orchestration.policy.templates import fill, references

USUAL_PROMPTS = ("prompt", "text", "input", "question", "message", "content")
LONGEST_REFERENCE = 200
LONGEST_MODEL = 200
SHOWN = 60
NAMED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of columns, as the header has them or as placeholders write them; empty where there is none."""

    prompt: str = ""
    system: str = ""
    images: str = ""
    client_ref: str = ""
    model: str = ""
    metadata: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """Templates, and names of columns that exist. ``system`` None: as the agent has it."""

    prompt: str
    system: str | None = None
    images: str = ""
    client_ref: str = ""
    model: str = ""
    metadata: Sequence[str] = ()

    @property
    def quotes_nothing(self) -> bool:
        return not references(self.prompt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """One row as it would be sent. ``number`` counts rows from 1, ``place`` is where it stands, in words."""

    number: int
    place: str
    prompt: str
    system: str | None = None
    images: Sequence[str] = ()
    client_ref: str = ""
    model: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)


def mapping_of(table: Table, columns: Columns, *, template: str = "", system: str = "") -> Mapping:
    """Raises InvalidInput for a column that the table does not have, with the nearest one that it has."""
    if template and columns.prompt:
        raise InvalidInput("Give a template or the column of the prompt, not both.", field="template")
    if system and columns.system:
        raise InvalidInput("Give a system prompt or its column, not both.", field="system")
    prompt = template or _quoted(table, columns.prompt or _usual(table), "columns.prompt")
    of_system = system or (_quoted(table, columns.system, "columns.system") if columns.system else "")
    _check_template(table, prompt, "template")
    _check_template(table, of_system, "system")
    single = {name: getattr(columns, name) for name in ("images", "client_ref", "model")}
    return Mapping(
        prompt=prompt,
        system=of_system or None,
        **{name: _column(table, given, f"columns.{name}") if given else "" for name, given in single.items()},
        metadata=[_column(table, given, "columns.metadata") for given in columns.metadata],
    )


def _usual(table: Table) -> str:
    if len(table.columns) == 1:
        return table.columns[0]
    by_name = {column.lower(): column for column in table.columns}
    found = next((by_name[name] for name in USUAL_PROMPTS if name in by_name), "")
    if not found:
        words = f"Say which column is the prompt, or write a template that quotes columns: {_listed(table)}."
        raise InvalidInput(words, field="template")
    return found


def _quoted(table: Table, given: str, place: str) -> str:
    return f"{{{{{table.names[_column(table, given, place)]}}}}}"


def _column(table: Table, given: str, place: str) -> str:
    """The column that is called so in the header or in placeholders."""
    if given in table.names:
        return given
    found = next((column for column, name in table.names.items() if name == given), None)
    if found is None:
        near = get_close_matches(given[:SHOWN], [*table.columns, *table.names.values()], n=1, cutoff=0.5)
        hint = f"Did you mean “{near[0]}”?" if near else f"There are {', '.join(table.columns[:NAMED])}."
        raise InvalidInput(f"There is no column “{given[:SHOWN]}”. {hint}", field=place, column=given[:SHOWN])
    return found


def _check_template(table: Table, template: str, place: str) -> None:
    known = set(table.names.values())
    for reference in references(template):
        if reference.name not in known:
            near = get_close_matches(reference.name[:SHOWN], known, n=1, cutoff=0.5)
            hint = f"Did you mean {{{{{near[0]}}}}}?" if near else f"There are {_listed(table)}."
            name = reference.name[:SHOWN]
            raise InvalidInput(f"There is no column for {{{{{name}}}}}. {hint}", field=place, column=name)


def _listed(table: Table) -> str:
    names = list(table.names.values())
    return ", ".join(f"{{{{{name}}}}}" for name in names[:NAMED]) + (", …" if len(names) > NAMED else "")


def filled_rows(table: Table, mapping: Mapping, rows: Sequence[Row] | None = None) -> Iterator[Filled]:
    """In their order. Raises InvalidInput with the place of a row that cannot be sent."""
    for number, row in enumerate(table.rows if rows is None else rows, start=1):
        yield _filled(table, mapping, row, number)


def _filled(table: Table, mapping: Mapping, row: Row, number: int) -> Filled:
    place = f"{table.unit.capitalize()} {row.place}"
    texts = table.texts(row)
    prompt = fill(mapping.prompt, texts)
    if not prompt.strip():
        raise InvalidInput(f"{place}: its prompt is empty.", field="text", line=row.place)
    return Filled(
        number=number,
        place=place,
        prompt=prompt,
        system=None if mapping.system is None else fill(mapping.system, texts),
        images=_images(row.cells.get(mapping.images), place) if mapping.images else (),
        client_ref=_short(table, row, mapping.client_ref, LONGEST_REFERENCE, place),
        model=_short(table, row, mapping.model, LONGEST_MODEL, place).strip(),
        metadata={column: row.cells[column] for column in mapping.metadata if column in row.cells},
    )


def _short(table: Table, row: Row, column: str, most: int, place: str) -> str:
    text = table.text(row, column) if column else ""
    if len(text) > most:
        raise InvalidInput(f"{place}: “{column[:SHOWN]}” has more than {most} characters.", field="columns")
    return text


def _images(cell: Any, place: str) -> Sequence[str]:
    """Base64: one in a text, several in a list."""
    images = cell if isinstance(cell, list) else [cell] if cell else []
    if not all(isinstance(image, str) for image in images):
        raise InvalidInput(f"{place}: images are base64 texts.", field="columns.images")
    return [image for image in images if image]


def sample(table: Table, most: int) -> list[dict[str, str]]:
    """The first rows as they came, for people."""
    return [{column: text_of(row.cells.get(column)) for column in table.columns} for row in table.rows[:most]]

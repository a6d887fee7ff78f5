"""The configuration as one document: its shape, the one way it is written, and every problem of one that is read.

A document has sections of objects, each named by its key. Nothing in it is an id of a database.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from orchestration.errors import InvalidConfig, InvalidInput
from orchestration.policy.strict_json import read_json
from orchestration.policy.workflow_text import from_yaml, to_yaml
from orchestration.policy.workflows import near, storable

VERSION = 1
FORMAT = "drover_config"
EXPORTED_AT = "exported_at"
SECRETS = "secrets"
LONGEST_YAML = 4 * 1024 * 1024
_SHOWN = 3

Fields = dict[str, Any]
Document = dict[str, Any]


class Kind(StrEnum):
    """What a field holds, in the words of a complaint."""

    TEXT = "a text"
    FLAG = "true or false"
    WHOLE = "a whole number"
    NUMBER = "a number"
    TEXTS = "a list of texts"
    OBJECT = "an object"
    ANY = "anything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One field of the objects of a section. ``default``: what it is where nobody says anything; None: unknown."""

    name: str
    kind: Kind
    nullable: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One section. ``columns`` None: objects of any shape, which are replaced as a whole. ``single``: one object,
    without a name. ``whole`` is the name that an empty key goes by."""

    name: str
    noun: str
    key: str = "name"
    columns: tuple[Column, ...] | None = None
    single: bool = False
    normal: Callable[[str], str] = str.strip
    whole: str = ""

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns or () if column.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """``path``: ``agents[2].options.temperature``."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object of a document: where it stands, what it is called, and those of its fields that have their shape."""

    path: str
    key: str
    fields: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A document that was read. A section that it does not have is not there either."""

    sections: dict[str, list[Item]] = field(default_factory=dict)
    sealed: Mapping[str, Any] | None = None
    problems: list[Problem] = field(default_factory=list)


def invalid(problems: Sequence[Problem]) -> InvalidConfig:
    """The error that names them all; the first few make the message."""
    more = len(problems) - _SHOWN
    words = " ".join(f"{each}" for each in problems[:_SHOWN]) + (f" And {more} more." if more > 0 else "")
    listed = [{"path": each.path, "message": each.message} for each in problems]
    return InvalidConfig(words, problems=listed)


def parse(text: bytes, *, yaml: bool) -> Any:
    """Plain data. Raises InvalidInput with the place where it cannot be read."""
    try:
        if yaml:
            return from_yaml(text.decode(), what="A configuration", longest=LONGEST_YAML)
        return read_json(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"This is no JSON: {error.msg} in line {error.lineno}.", line=error.lineno) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"This is not UTF-8 at byte {error.start}.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput("This cannot be read: it is nested too deeply, or has a number that is too long.") from error


def read(data: Any, shapes: Iterable[Shape]) -> Given:
    """What of a document has its shape, with a problem for all that has not."""
    if not isinstance(data, Mapping):
        return _refused("", f"A configuration is an object with {FORMAT}: {VERSION} and its sections.")
    if not storable(data):
        return _refused("", "It is nested too deeply, or has what no database can keep.")
    if problem := _of_version(data.get(FORMAT)):
        return _refused(FORMAT, problem)
    known = {shape.name: shape for shape in shapes}
    given = Given(sealed=data.get(SECRETS) if isinstance(data.get(SECRETS), Mapping) else None)
    if SECRETS in data and given.sealed is None:
        given.problems.append(Problem(path=SECRETS, message="It is an object, as the export wrote it."))
    for name in data:
        if name not in (FORMAT, EXPORTED_AT, SECRETS, *known):
            given.problems.append(Problem(path=name[:80], message=f"There is no such section. {near(name, known)}"))
    for shape in known.values():
        if shape.name in data:
            given.sections[shape.name] = list(_items(shape, data[shape.name], given.problems))
    return given


def _refused(path: str, message: str) -> Given:
    return Given(problems=[Problem(path=path, message=message)])


def _of_version(version: Any) -> str:
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        return f"It says which form this is in: {FORMAT}: {VERSION}."
    if version > VERSION:
        return f"This was written by a newer Drover: it has form {version}, this one reads up to {VERSION}. Update it."
    return ""


def _items(shape: Shape, given: Any, problems: list[Problem]) -> Iterator[Item]:
    if shape.single:
        if isinstance(given, Mapping):
            yield Item(path=shape.name, key="", fields=dict(_fields(shape, given, shape.name, problems)))
        else:
            problems.append(Problem(path=shape.name, message="It is an object."))
        return
    if not isinstance(given, list):
        problems.append(Problem(path=shape.name, message=f"It is a list of objects, each with its {shape.key}."))
        return
    seen: dict[str, str] = {}
    for number, each in enumerate(given):
        path = f"{shape.name}[{number}]"
        item = _item(shape, each, path, problems)
        if item is not None and item.key in seen:
            words = f"{item.key or shape.whole!r} is there already, as {seen[item.key]}."
            problems.append(Problem(path=f"{path}.{shape.key}", message=words))
        elif item is not None:
            seen[item.key] = path
            yield item


def _item(shape: Shape, given: Any, path: str, problems: list[Problem]) -> Item | None:
    if not isinstance(given, Mapping):
        problems.append(Problem(path=path, message="It is an object."))
        return None
    fields = dict(_fields(shape, given, path, problems))
    key = given.get(shape.key)
    if key is None and shape.whole:
        return Item(path=path, key="", fields={**fields, shape.key: None})
    if not isinstance(key, str) or not shape.normal(key):
        problems.append(Problem(path=f"{path}.{shape.key}", message=f"Each {shape.noun} has a {shape.key}, a text."))
        return None
    return Item(path=path, key=shape.normal(key), fields={**fields, shape.key: shape.normal(key)})


def _fields(shape: Shape, given: Mapping[str, Any], path: str, problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    if shape.columns is None:
        yield from given.items()
        return
    for name, value in given.items():
        column = shape.column(name)
        if column is None:
            hint = near(name[:80], [each.name for each in shape.columns])
            problems.append(Problem(path=f"{path}.{name[:80]}", message=f"There is no such field. {hint}"))
        elif not fits(value, column):
            if name != shape.key:
                words = f"It is {column.kind}{' or null' if column.nullable else ''}."
                problems.append(Problem(path=f"{path}.{name}", message=words))
        else:
            yield name, float(value) if column.kind == Kind.NUMBER and value is not None else value


def fits(value: Any, column: Column) -> bool:
    if value is None:
        return column.nullable or column.kind == Kind.ANY
    match column.kind:
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.FLAG:
            return isinstance(value, bool)
        case Kind.WHOLE:
            return isinstance(value, int) and not isinstance(value, bool)
        case Kind.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
        case Kind.TEXTS:
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case Kind.OBJECT:
            return isinstance(value, Mapping)
        case Kind.ANY:
            return True


def canonical(sections: Mapping[str, Iterable[Fields]], shapes: Iterable[Shape]) -> Document:
    """The same configuration is always the same document: objects by their keys, fields in one order."""
    document: Document = {FORMAT: VERSION}
    for shape in shapes:
        if shape.name in sections:
            rows = [_ordered(shape, row) for row in sections[shape.name]]
            rows.sort(key=lambda row, key=shape.key: row.get(key) or "")  # type: ignore[misc]
            document[shape.name] = rows[0] if shape.single else rows
    return document


def _ordered(shape: Shape, row: Fields) -> Fields:
    """A schema, and what stands in a workflow, keep the order in which they were written: models follow it."""
    if shape.columns is None:
        return row
    return {
        column.name: dict(sorted(row[column.name].items())) if column.kind == Kind.OBJECT else row[column.name]
        for column in shape.columns
        if column.name in row
    }


def written(document: Mapping[str, Any], *, yaml: bool) -> str:
    return to_yaml(document) if yaml else json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def chosen(names: Collection[str], shapes: Sequence[Shape]) -> list[Shape]:
    """The named sections, all where none is named. Raises InvalidInput for one that is unknown."""
    known = [shape.name for shape in shapes]
    for name in names:
        if name not in known:
            raise InvalidInput(f"There is no section {name[:80]!r}. {near(name[:80], known)}", field="sections")
    return [shape for shape in shapes if not names or shape.name in names]

"""What differs between two configurations: object by object, field by field, inside of objects and steps too."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestration.policy.transfer import Document, Fields, Shape

_DEEPEST = 3


class Manner(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """``field`` as a path inside of its object: ``options.temperature``. What is not there is None."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    section: str
    name: str
    manner: Manner
    fields: tuple[FieldChange, ...] = ()


def same(one: Any, other: Any) -> bool:
    """As JSON, whatever the order of the names in it: 1, 1.0 and true are three things."""
    return _text(one) == _text(other)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(document).encode()).hexdigest()[:32]


def diff(before: Document, after: Document, shapes: Iterable[Shape]) -> list[Change]:
    """Section by section in their order, objects by their names."""
    return [change for shape in shapes for change in _of_section(shape, before, after)]


def _of_section(shape: Shape, before: Document, after: Document) -> Iterator[Change]:
    old, new = _by_key(shape, before), _by_key(shape, after)
    for key in sorted(old.keys() | new.keys()):
        name = key or shape.whole
        if key not in new:
            yield Change(section=shape.name, name=name, manner=Manner.REMOVED)
            continue
        fields = tuple(_fields(old.get(key, {}), new[key]))
        if key not in old:
            said = tuple(each for each in fields if each.after not in (None, "", [], {}) and each.field != shape.key)
            yield Change(section=shape.name, name=name, manner=Manner.ADDED, fields=said)
        elif fields:
            yield Change(section=shape.name, name=name, manner=Manner.CHANGED, fields=fields)


def _by_key(shape: Shape, document: Document) -> dict[str, Fields]:
    found = document.get(shape.name, [])
    return {"": found} if shape.single and found else {row.get(shape.key) or "": row for row in found}


def _fields(
    before: Mapping[str, Any], after: Mapping[str, Any], path: str = "", depth: int = 0
) -> Iterator[FieldChange]:
    for name in dict.fromkeys((*after, *before)):
        where = f"{path}.{name}" if path else name
        old, new = _named(before.get(name)), _named(after.get(name))
        if isinstance(old, Mapping) and isinstance(new, Mapping) and depth < _DEEPEST:
            inside = list(_fields(old, new, where, depth + 1))
            if inside or same(before[name], after[name]):
                yield from inside
                continue
        if not same(before.get(name), after.get(name)):
            yield FieldChange(field=where, before=before.get(name), after=after.get(name))


def _named(value: Any) -> Any:
    """A list of objects that have names, such as the steps of a workflow, is compared by these."""
    if not isinstance(value, list) or not value or not all(isinstance(each, Mapping) for each in value):
        return value
    names = [each.get("name") for each in value]
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return value
    return dict(zip(names, value, strict=True))


def counts(changes: Iterable[Change]) -> dict[str, int]:
    found = Counter(change.manner for change in changes)
    return {manner.value: found[manner] for manner in Manner}

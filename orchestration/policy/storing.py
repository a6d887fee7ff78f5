"""What a database takes: PostgreSQL takes neither zero characters nor halves of surrogate pairs."""

from collections.abc import Mapping
from typing import Any


def storable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def all_storable(value: Any) -> Any:
    """Every text in what JSON can say."""
    match value:
        case str():
            return storable(value)
        case Mapping():
            return {storable(str(name)): all_storable(part) for name, part in value.items()}
        case list() | tuple():
            return [all_storable(part) for part in value]
    return value

"""What people type, taken apart: ``type:prompt``, ``name:type:prompt``, ``key=value``, lists, files."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestration.cli.failures import Misused

PRIORITIES = {"high": 0, "normal": 1, "low": 2}


def task(text: str) -> dict[str, Any]:
    """Split at the first colon only: ``chat:Compare 1:2, 3:4`` is a prompt with colons and commas."""
    kind, colon, prompt = text.partition(":")
    if not colon or not kind.strip():
        raise Misused(
            f"--tasks {text[:60]!r} has no type.", 'Write it as "type:prompt", for instance "generate:Say hello."'
        )
    if not prompt.strip():
        raise Misused(f"--tasks {text[:60]!r} has no prompt.")
    return {"type": kind.strip(), "input": prompt}


def step(text: str) -> dict[str, Any]:
    """Split at the first two colons only."""
    name, kind, prompt = [*text.split(":", 2), "", ""][:3]
    if not name.strip() or not kind.strip() or not prompt.strip():
        raise Misused(
            f"--steps {text[:60]!r} lacks its name, its type or its prompt.",
            'Write it as "name:type:prompt {{an earlier name}}".',
        )
    return {"name": name.strip(), "type": kind.strip(), "input": prompt}


def names(texts: Iterable[str]) -> list[str]:
    """``a,b`` and repeated options alike, each name once."""
    found = (name.strip() for text in texts for name in text.split(","))
    return list(dict.fromkeys(name for name in found if name))


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    result = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        if not equals or not name.strip():
            raise Misused(f"{option} {text[:60]!r} is not name=value.")
        result[name.strip()] = rest
    return result


def options(texts: Iterable[str], option: str = "--option") -> dict[str, Any]:
    """Values are JSON where they are: ``temperature=0.2``, ``stop=["END"]``; anything else is a text."""
    return {name: value(text) for name, text in pairs(texts, option).items()}


def value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def whole_numbers(texts: Iterable[str], option: str) -> list[int]:
    try:
        return [int(name) for name in names(texts)]
    except ValueError as error:
        raise Misused(f"{option} takes whole numbers, with commas between them.") from error


def priority(text: str | None) -> int | None:
    """A word or its number."""
    if text is None:
        return None
    word = text.strip().lower()
    if word in PRIORITIES:
        return PRIORITIES[word]
    if word in ("0", "1", "2"):
        return int(word)
    raise Misused(f"--priority {text!r} is not known.", "It takes high, normal or low.")


def text_or_file(given: str | None) -> str | None:
    """``@prompt.txt`` is what stands in that file, ``@-`` what comes in; ``@@`` begins a text with an @."""
    if given is None or not given.startswith("@"):
        return given
    if given.startswith("@@"):
        return given[1:]
    return sys.stdin.read() if given == "@-" else read_text(Path(given[1:]))


def read_text(path: Path) -> str:
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise Misused(f"{path} is not UTF-8 text.") from error


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misused(f"{path} cannot be read: {error.strerror}.") from error


def given(**fields: Any) -> dict[str, Any]:
    """Those fields that somebody gave a value."""
    return {name: item for name, item in fields.items() if item not in (None, [], {}, ())}

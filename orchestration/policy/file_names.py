"""Names of folders and files for answers: readable, the same every time, and never a way out of their folder."""

import re
from hashlib import sha256

_SIGNS = {"/": "+", ":": "@"}
_PLAIN = re.compile(r"[A-Za-z0-9._-]")
_WORDS = re.compile(r"\w+")
MOST_BYTES = 200
SLUG_BYTES = 80
_HASH = 16


def folder_of(model: str) -> str:
    """Two models never share one: what a folder cannot hold stands there in signs that no name of a model has."""
    name = "".join(_SIGNS.get(char) or (char if _PLAIN.match(char) else _escaped(char)) for char in model)
    if name.startswith((".", "-")):
        name = _escaped(name[0]) + name[1:]
    if len(name) > MOST_BYTES:
        name = f"{name[: MOST_BYTES - _HASH - 1]}%{sha256(model.encode('utf-8', 'surrogatepass')).hexdigest()[:_HASH]}"
    return name or "%"


def _escaped(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def stem_of(task_id: int, title: str) -> str:
    """``4711-name-a-river``; the number alone where the title has no word."""
    slug = "-".join(_WORDS.findall(title.lower())).encode("utf-8", "ignore")[:SLUG_BYTES].decode("utf-8", "ignore")
    return f"{task_id}-{slug.strip('-_')}" if slug.strip("-_") else str(task_id)

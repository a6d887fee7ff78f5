"""Answers as files: names that every system takes, a text that people read, an archive written while it is sent."""

import io
import re
import unicodedata
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import Any

SLUG_CHARACTERS = 48
_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_FACTS = ("agent", "model", "node", "owner", "ended_at", "rating", "tags", "prompt_tokens", "output_tokens")


def slug(title: str) -> str:
    """Letters, figures and dashes; never empty, so never a hidden or a nameless file."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return _NOT_IN_NAMES.sub("-", plain[: 4 * SLUG_CHARACTERS]).strip("-")[:SLUG_CHARACTERS].rstrip("-") or "answer"


def file_name(task_id: int, title: str) -> str:
    """Without its ending; the id makes it the only one."""
    return f"{task_id}-{slug(title)}"


def markdown(answer: Mapping[str, Any], title: str) -> str:
    """What was asked, what was answered, and the facts about it. ``answer`` as the API shows one."""
    facts = [f"- {name.replace('_', ' ')}: {_fact(answer[name])}" for name in _FACTS if answer.get(name)]
    parts = [f"# {' '.join(title.split()) or 'Answer'}", "\n".join([f"- task: {answer['id']}", *facts])]
    if answer.get("note"):
        parts.append(f"> {answer['note']}".replace("\n", "\n> "))
    gone = "*The text was removed when it had been kept for long enough.*" if answer.get("text_removed_at") else ""
    parts += ["## Prompt", answer["prompt"] or gone, "## Answer", answer["output"] or gone or "*No text.*"]
    return "\n\n".join(parts) + "\n"


def _fact(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


class Archive:
    """A zip that is made piece by piece: each call returns what can be sent of it."""

    def __init__(self, at: datetime) -> None:
        self._sink = _Drain()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)
        self._date = (max(1980, at.year), at.month, at.day, at.hour, at.minute, at.second)

    def add(self, name: str, data: bytes) -> bytes:
        info = zipfile.ZipInfo(name, date_time=self._date)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        self._zip.writestr(info, data)
        return self._sink.taken()

    def close(self) -> bytes:
        self._zip.close()
        return self._sink.taken()


class _Drain(io.RawIOBase):
    """Where an archive is written to that cannot go back."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        return len(data)

    def taken(self) -> bytes:
        held, self._held = bytes(self._held), bytearray()
        return held

"""The text of one attempt as far as a reader has got: which part of a frame is new, and whether all of it arrived."""

import zlib
from typing import Any

Frame = dict[str, Any]


class _Strand:
    """A text that only grows, known by its length in code points and its checksum."""

    def __init__(self, text: str = "") -> None:
        self.length = 0
        self._sum = 0
        self._grow(text)

    def _grow(self, text: str) -> None:
        self.length += len(text)
        self._sum = zlib.crc32(text.encode("utf-8", "surrogatepass"), self._sum)

    def take(self, offset: int, text: str) -> tuple[int, str]:
        """What of this text is new, with its offset. Nothing if text before it is missing: it will come again whole."""
        at = self.length
        fresh = text[at - offset :] if offset <= at else ""
        self._grow(fresh)
        return at, fresh

    def equals(self, text: str) -> bool:
        other = _Strand(text)
        return (self.length, self._sum) == (other.length, other._sum)


class Tail:
    def __init__(self, attempt: int | None, text: str = "", thinking: str = "") -> None:
        self.attempt = attempt
        self._text = _Strand(text)
        self._thinking = _Strand(thinking)

    def take(self, frame: Frame) -> Frame:
        """The frame without what the reader has; may be empty but for the attempt."""
        fresh: Frame = {name: frame[name] for name in ("c", "p", "n") if name in frame}
        for strand, offset, text in ((self._text, "o", "t"), (self._thinking, "ho", "h")):
            if text in frame:
                at, new = strand.take(frame[offset], frame[text])
                fresh |= {offset: at, text: new} if new else {}
        return {"attempt": self.attempt, **fresh}

    @property
    def length(self) -> dict[str, int]:
        return {"text": self._text.length, "thinking": self._thinking.length}

    def equals(self, text: str, thinking: str) -> bool:
        return self._text.equals(text) and self._thinking.equals(thinking)

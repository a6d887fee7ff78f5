"""The text of a PDF, page by page, read in a process of its own: a hostile file takes down nothing but that.

Run as a script it reads the file from its input and writes ``{"pages": [...]}`` or ``{"problem": "..."}``. It imports
nothing of Drover.
"""

import io
import json
import logging
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress

from pypdf import PdfReader
from pypdf.errors import PyPdfError

MEMORY_BYTES = 1024 * 1024 * 1024
ENCRYPTED = "encrypted"
DAMAGED = "damaged"
PAGES = "too many pages"
TEXT = "too much text"
_STUMBLES = (
    *(PyPdfError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError),
    *(RuntimeError, MemoryError, OSError),
)
"""What the library raises at what is no PDF, or asks for more than it may have."""


class _Refused(Exception):
    """Carries one of the words above."""


def pages_of(data: bytes, *, most_pages: int, most_chars: int) -> list[str]:
    reader = PdfReader(io.BytesIO(data), strict=False)
    if reader.is_encrypted and not reader.decrypt(""):
        raise _Refused(ENCRYPTED)
    if len(reader.pages) > most_pages:
        raise _Refused(PAGES)
    return list(_texts(reader, most_chars))


def _texts(reader: PdfReader, most_chars: int) -> Iterator[str]:
    length = 0
    for page in reader.pages:
        text = page.extract_text()
        length += len(text)
        if length > most_chars:
            raise _Refused(TEXT)
        yield text


def _limit(seconds: int) -> None:
    """Where the system lets itself be limited; the caller's clock holds everywhere."""
    for kind, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, seconds)):
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


def main(arguments: Sequence[str]) -> None:
    most_pages, most_chars, seconds = map(int, arguments)
    _limit(seconds)
    logging.disable()
    try:
        answer: dict[str, object] = {
            "pages": pages_of(sys.stdin.buffer.read(), most_pages=most_pages, most_chars=most_chars)
        }
    except _Refused as refusal:
        answer = {"problem": str(refusal)}
    except _STUMBLES:
        answer = {"problem": DAMAGED}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])

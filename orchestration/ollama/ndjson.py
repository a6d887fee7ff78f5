"""From the bytes of an answer to JSON objects, and to the error that one of them may carry."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from orchestration.errors import MalformedAnswer

Json = dict[str, Any]

_UNSTORABLE_ESCAPES: Final = (b"\\u0000", b"\\ud", b"\\uD")


class LineSplitter:
    """Cuts a byte stream into lines, however the network cut it; the cost stays linear for lines of many megabytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines completed by this piece of the stream, without blank ones."""
        first, *rest = data.split(b"\n")
        self._keep(first)
        lines = []
        for part in rest:
            lines.append(self.rest())
            self._keep(part)
        return [line for line in lines if line.strip()]

    def rest(self) -> bytes:
        """What followed the last line end; a server need not end its last object with one."""
        line = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        return line

    def _keep(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._size += len(part)
            if self._size > self._limit:
                raise MalformedAnswer(f"One line of the answer is longer than {self._limit} bytes", limit=self._limit)


def parse_object(line: bytes) -> Json:
    """One JSON object, free of text and numbers that no database can store."""
    try:
        value = _DECODER.decode(line.decode())
        if b"\\u" in line and any(escape in line for escape in _UNSTORABLE_ESCAPES):
            value = _storable(value)
    except (ValueError, RecursionError) as exc:
        raise _not_an_object(line) from exc
    if not isinstance(value, dict):
        raise _not_an_object(line)
    answer: Json = value
    return answer


def error_of(answer: Mapping[str, Any]) -> tuple[str, Json] | None:
    """The error in an answer as message and detail, or None. A runner's error arrives as JSON inside a string."""
    error = answer.get("error")
    if not error:
        return None
    if isinstance(error, str):
        error = _nested(error)
    detail: Json = {key: answer[key] for key in ("signin_url",) if key in answer}
    while isinstance(error, dict):
        detail |= {key: error[key] for key in ("type", "code", "n_prompt_tokens", "n_ctx") if key in error}
        error = error.get("message") or error.get("error") or json.dumps(error)
    return str(error), detail


def _not_an_object(line: bytes) -> MalformedAnswer:
    start = line[:200].decode("utf-8", "replace").strip()
    if start.startswith("<"):
        return MalformedAnswer("The answer is a web page, not Ollama's: is the address right?", received=start)
    return MalformedAnswer("The answer is not a JSON object as Ollama sends them", received=start)


def _storable(value: Any) -> Any:
    """Half surrogate pairs and NUL are legal JSON that neither UTF-8 nor PostgreSQL takes."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


def _nested(error: str) -> Any:
    if not error.lstrip().startswith("{"):
        return error
    try:
        inner = _storable(_DECODER.decode(error))
    except (ValueError, RecursionError):
        return error
    return inner.get("error", inner)


def _finite(digits: str) -> float:
    """NaN and Infinity are no JSON, though Python reads and writes them; 1e999 would become one of them."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


_DECODER: Final = json.JSONDecoder(parse_float=_finite, parse_constant=_finite)

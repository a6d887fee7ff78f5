"""The headers a node wants to see: which may be sent, and how their values are kept out of what it answers.

A proxy in front of a server may repeat what it was sent when it refuses it.
"""

import base64
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeVar

from orchestration.errors import InvalidInput, OllamaError

MOST_HEADERS: Final = 20
LONGEST_VALUE: Final = 8192
AUTHORIZATION: Final = "authorization"

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_VALUE: Final = re.compile(r"[\x20-\x7e]+")
_OF_THE_BODY: Final = ("accept", "accept-encoding", "content-encoding", "content-length", "content-type", "user-agent")
_OF_THE_CONNECTION: Final = (
    *("connection", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"),
)
_OURS: Final = frozenset((*_OF_THE_BODY, *_OF_THE_CONNECTION, "transfer-encoding"))
_SHORTEST_SECRET: Final = 4
_HIDDEN: Final = "•••"

T = TypeVar("T")


def checked(headers: Mapping[str, str]) -> dict[str, str]:
    """With names in lower case. Raises InvalidInput, which names headers but repeats no value."""
    problems = [problem for name, value in headers.items() if (problem := _problem(name, value))]
    kept = {name.lower(): value.strip() for name, value in headers.items()}
    if len(kept) < len(headers):
        problems.append("a name is there twice")
    if len(kept) > MOST_HEADERS:
        problems.append(f"there are more than {MOST_HEADERS}")
    if problems:
        raise InvalidInput(f"These headers cannot be sent: {'; '.join(problems)}.", field="headers", problems=problems)
    return kept


def bearer(token: str) -> str:
    """What stands in Authorization. Raises InvalidInput for a token that no header can hold."""
    token = token.strip()
    if not _VALUE.fullmatch(token) or " " in token:
        raise InvalidInput("A token is one word of plain characters.", field="credentials")
    return f"Bearer {token}"


def basic(user: str, password: str) -> str:
    """What stands in Authorization. Raises InvalidInput for a name with a colon."""
    if not user or ":" in user:
        raise InvalidInput("A user name is not empty and has no colon.", field="credentials")
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _problem(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        return "one has a name that is no header's"
    if name.lower() in _OURS:
        return f"{name} is set by Drover itself"
    if not value.strip() or not _VALUE.fullmatch(value.strip()):
        return f"the value of {name} is empty or has characters that no header can hold"
    return f"the value of {name} is longer than {LONGEST_VALUE} characters" if len(value) > LONGEST_VALUE else ""


class Mask:
    """Hides the values of headers in the errors of whoever was sent them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        plain = {secret for value in headers.values() for secret in _secrets(value)}
        found = plain | {json.dumps(secret)[1:-1] for secret in plain}
        self._secrets = sorted((item for item in found if len(item) >= _SHORTEST_SECRET), key=len, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._secrets)

    def text(self, words: str) -> str:
        """Errors are cut to a length: what is left of a value at their end is hidden as well."""
        for secret in self._secrets:
            words = words.replace(secret, _HIDDEN)
        for secret in self._secrets:
            for size in range(min(len(secret) - 1, len(words)), _SHORTEST_SECRET - 1, -1):
                if words.endswith(secret[:size]):
                    return words[:-size] + _HIDDEN
        return words

    def hide_in(self, error: OllamaError) -> None:
        error.message = self.text(error.message)
        error.detail = {name: self._plain(value) for name, value in error.detail.items()}
        error.args = tuple(self._plain(part) for part in error.args)

    def _plain(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self._plain(item) for item in value]
            case dict():
                return {self.text(str(name)): self._plain(item) for name, item in value.items()}
        return value

    @asynccontextmanager
    async def over(self, exchange: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        """The same exchange, whose errors hide what was sent."""
        try:
            async with exchange as answer:
                yield answer
        except OllamaError as error:
            self.hide_in(error)
            raise


def _secrets(value: str) -> list[str]:
    """The value, its part after the scheme, and name and password where they are only encoded."""
    scheme, _, rest = value.partition(" ")
    found = [value, rest]
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(rest, validate=True).decode()
        except ValueError:
            return found
        found += [pair, pair.partition(":")[2]]
    return found

"""The headers of a node as people give them: put together, checked, sealed, and never told again."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from orchestration.errors import InvalidInput, SecretsUnreadable
from orchestration.models import Node
from orchestration.ollama.headers import AUTHORIZATION, basic, bearer, checked
from orchestration.services import secrets

FIELDS = ("headers", "credentials")


def change(node: Node, wishes: Mapping[str, Any], *, moved: bool) -> str:
    """What was done, in a word for the audit trail; empty when nothing was.

    ``headers`` replaces all but the credentials: a name with None keeps its value, {} removes them. ``credentials``
    (type bearer with token, or basic with user and password) sets Authorization, None removes it. What is stored is
    dropped when the node has ``moved`` to another server: else whoever changes the address would be sent the values.
    """
    if not wishes:
        return _dropped(node) if moved and node.sealed_headers else ""
    _seal(node, checked(_wanted(node, wishes, moved=moved)))
    return "changed" if node.header_names else "removed"


def of_form(wishes: Mapping[str, Any], *, node: Node | None = None, base_url: str = "") -> str:
    """Sealed headers as they would be with these wishes, for a look at a server before anything is saved. What is
    stored of ``node`` goes to its own server only, not to a ``base_url`` elsewhere."""
    if node is None:
        like = Node()
        change(like, wishes, moved=False)
    else:
        like = Node(name=node.name, sealed_headers=node.sealed_headers, header_names=node.header_names)
        change(like, wishes, moved=not same_server(node.base_url, base_url))
    return like.sealed_headers


def same_server(one: str, other: str) -> bool:
    first, second = urlsplit(one), urlsplit(other)
    return (first.scheme, first.netloc) == (second.scheme, second.netloc)


def _dropped(node: Node) -> str:
    _seal(node, {})
    return "dropped, because the address is another server's"


def _seal(node: Node, headers: Mapping[str, str]) -> None:
    node.sealed_headers = secrets.seal(headers)
    node.header_names = sorted(headers)


def _wanted(node: Node, wishes: Mapping[str, Any], *, moved: bool) -> dict[str, str]:
    stored = [] if moved else node.header_names
    headers = wishes.get("headers")
    if headers is None:
        named: dict[str, str | None] = dict.fromkeys(stored)
    else:
        named = {str(name).lower(): value for name, value in _object(headers, "headers").items()}
        if AUTHORIZATION in stored:
            named.setdefault(AUTHORIZATION, None)
    if "credentials" in wishes:
        named.pop(AUTHORIZATION, None)
        named |= _authorization(wishes["credentials"])
    return {**_kept(node, [name for name, value in named.items() if value is None], stored), **_texts(named)}


def _object(value: Any, field: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{field} is an object.", field=field)
    return value


def _texts(named: Mapping[str, Any]) -> dict[str, str]:
    given = {name: value for name, value in named.items() if value is not None}
    if not all(isinstance(value, str) for value in given.values()):
        raise InvalidInput("The value of a header is text.", field="headers")
    return given


def _kept(node: Node, names: list[str], stored: list[str]) -> dict[str, str]:
    if unknown := [name for name in names if name not in stored]:
        raise InvalidInput(f"There is no stored value for {', '.join(unknown)}: enter it.", field="headers")
    if not names:
        return {}
    try:
        found = secrets.opened(node.sealed_headers)
    except SecretsUnreadable as error:
        raise InvalidInput(f"{node.name}: {error.message}.", field="headers") from error
    return {name: found[name] for name in names}


def _authorization(credentials: Any) -> dict[str, str | None]:
    if credentials is None:
        return {}
    match _object(credentials, "credentials"):
        case {"type": "bearer", "token": str(token)}:
            return {AUTHORIZATION: bearer(token)}
        case {"type": "basic", "user": str(user), "password": str(password)}:
            return {AUTHORIZATION: basic(user, password)}
    words = "credentials have the type bearer with a token, or basic with user and password."
    raise InvalidInput(words, field="credentials")

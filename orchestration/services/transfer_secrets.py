"""Credentials of nodes inside an exported configuration: sealed with a passphrase, and restored by who knows it."""

import base64
import json
import secrets as randomness
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidKey
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from orchestration.errors import DroverError, InvalidInput, SecretsUnreadable, Unprocessable
from orchestration.models import Node
from orchestration.ollama.headers import AUTHORIZATION
from orchestration.permissions import Actor
from orchestration.policy.transfer import SECRETS, Problem
from orchestration.services import nodes, secrets
from orchestration.services.node_headers import same_server

SHORTEST = 8
_COST = {"n": 2**15, "r": 8, "p": 1}
_MOST = {"n": 2**17, "r": 16, "p": 4}
"""What a document may ask of the machine that opens it."""
_FIELDS = ("kdf", "salt", "sealed", *_COST)
_MOVED = "{name} has another address than {server}, whose credentials these are: they are not sent there."
WITHOUT_PASSPHRASE = "The document has sealed credentials; they are left out, because no passphrase was given."


@dataclass(frozen=True, slots=True)
class Held:
    """The headers of one node, and the server that may be sent them: who changes the document cannot change that."""

    server: str
    headers: dict[str, str]


def sealed(passphrase: str, names: Collection[str]) -> dict[str, Any]:
    """Raises InvalidInput for a passphrase that is too short, Unprocessable for what Drover cannot open."""
    if len(passphrase) < SHORTEST:
        raise InvalidInput(f"A passphrase has at least {SHORTEST} characters.", field="passphrase")
    rows = Node.objects.filter(name__in=names).order_by("name")
    held = {row.name: {"server": row.base_url, "headers": _opened(row)} for row in rows}
    salt = randomness.token_bytes(16)
    box = Fernet(_key(passphrase, salt, _COST))
    text = box.encrypt(json.dumps({"nodes": held}).encode()).decode()
    return {"kdf": "scrypt", **_COST, "salt": base64.b64encode(salt).decode(), "sealed": text}


def _opened(row: Node) -> dict[str, str]:
    try:
        return secrets.opened(row.sealed_headers)
    except SecretsUnreadable as error:
        raise Unprocessable(f"{row.name}: {error.message}.") from error


def _is_stored(row: Node, headers: dict[str, str]) -> bool:
    """What no key opens is as good as lost, and is replaced."""
    try:
        return secrets.opened(row.sealed_headers) == headers
    except SecretsUnreadable:
        return False


def opened(document: Mapping[str, Any], passphrase: str) -> dict[str, Held]:
    """By the names of the nodes. Raises InvalidInput."""
    try:
        cost = {name: document[name] for name in _COST}
        salt, text = base64.b64decode(document["salt"], validate=True), document["sealed"].encode()
        if not all(type(cost[name]) is int and 1 <= cost[name] <= most for name, most in _MOST.items()):
            raise ValueError("this would take too much of this machine")
        found = json.loads(Fernet(_key(passphrase, salt, cost)).decrypt(text))["nodes"]
        return {name: Held(str(each["server"]), dict(each["headers"])) for name, each in found.items()}
    except InvalidToken as error:
        raise InvalidInput("The passphrase does not open them.") from error
    except (KeyError, ValueError, TypeError, AttributeError, InvalidKey) as error:
        raise InvalidInput("They are not as an export wrote them.") from error


def _key(passphrase: str, salt: bytes, cost: Mapping[str, int]) -> bytes:
    return base64.urlsafe_b64encode(Scrypt(salt=salt, length=32, **cost).derive(passphrase.encode()))


def restore(
    actor: Actor, document: Mapping[str, Any] | None, passphrase: str, problems: list[Problem]
) -> tuple[list[str], list[str]]:
    """The names of the nodes that got theirs, and what else there is to know. Adds to the problems."""
    if document is None:
        return [], []
    if not passphrase:
        return [], [WITHOUT_PASSPHRASE]
    try:
        found = opened(document, passphrase)
    except InvalidInput as error:
        problems.append(Problem(path=SECRETS, message=error.message))
        return [], []
    rows = {row.name: row for row in Node.objects.filter(name__in=found)}
    warnings = [f"There is no node {name} to restore credentials for." for name in sorted(found.keys() - rows.keys())]
    moved = [name for name in sorted(rows) if not same_server(rows[name].base_url, found[name].server)]
    warnings += [_MOVED.format(name=name, server=found[name].server) for name in moved if found[name].headers]
    known = [name for name in sorted(rows) if name not in moved]
    return [name for name in known if _given(actor, rows[name], found[name].headers, problems)], warnings


def _given(actor: Actor, row: Node, headers: dict[str, str], problems: list[Problem]) -> bool:
    try:
        if _is_stored(row, headers):
            return False
        without = {} if AUTHORIZATION in headers else {"credentials": None}
        nodes.update(actor=actor, node_id=row.pk, headers=headers, **without)
    except DroverError as error:
        problems.append(Problem(path=f"{SECRETS}.{row.name}", message=error.message))
        return False
    return True


def holders() -> set[str]:
    """The names of the nodes that have credentials."""
    return set(Node.objects.exclude(sealed_headers="").values_list("name", flat=True))

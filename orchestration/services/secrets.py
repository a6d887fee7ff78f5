"""Sealing: what must be kept and sent on, but never shown. The database holds the sealed form only."""

import base64
import functools
import json
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from orchestration.errors import SecretsUnreadable

_PURPOSE = b"drover: headers of nodes"


def seal(headers: Mapping[str, str]) -> str:
    """Empty for none."""
    return _box().encrypt(json.dumps(dict(headers)).encode()).decode() if headers else ""


def opened(sealed: str) -> dict[str, str]:
    """Raises SecretsUnreadable when no key that is set opens it."""
    if not sealed:
        return {}
    try:
        found: dict[str, str] = json.loads(_box().decrypt(sealed.encode()))
    except InvalidToken as error:
        raise SecretsUnreadable from error
    return found


def resealed(sealed: str) -> str:
    """With the key that seals now. Raises SecretsUnreadable when no key that is set opens it."""
    return seal(opened(sealed))


def _box() -> MultiFernet:
    """The first of DROVER_SECRETS_KEYS seals, all of them open, and so does SECRET_KEY, which seals where none is."""
    return _box_of((*settings.DROVER_SECRETS_KEYS, settings.SECRET_KEY))


@functools.cache
def _box_of(keys: Sequence[str]) -> MultiFernet:
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(key: str) -> bytes:
    raw = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(key.encode())
    return base64.urlsafe_b64encode(raw)

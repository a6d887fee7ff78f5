"""Embeddings that are known from before: by the digest of the model and the text, for as long as the setting says.

A cache: nobody's permission is asked, and losing it costs calls only.
"""

import hashlib
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice

from django.conf import settings
from django.utils import timezone

from orchestration.models import CachedVector

_ASKED_AT_ONCE = 500
_CLEARED_AT_ONCE = 1000


def key_of(digest: str, text: str) -> str:
    return hashlib.sha256(f"{digest}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()


def known_many(wanted: Sequence[Collection[str]], *, now: datetime | None = None) -> list[dict[str, list[float]]]:
    """By key, for each of several askers, what has not expired. Asks the database once for all."""
    now = now or timezone.now()
    found: dict[str, bytes] = {}
    for keys in _parts({key for each in wanted for key in each}, _ASKED_AT_ONCE):
        rows = CachedVector.objects.filter(key__in=keys, expires_at__gt=now)
        found.update({key: bytes(packed) for key, packed in rows.values_list("key", "vector")})
    vectors = {key: _unpacked(packed) for key, packed in found.items()}
    return [{key: vectors[key] for key in keys if key in vectors} for keys in wanted]


def remember_many(fresh: Sequence[Mapping[str, Sequence[float]]], *, now: datetime | None = None) -> list[None]:
    """Of several askers at once, in one statement as far as the database takes them."""
    expires_at = (now or timezone.now()) + settings.DROVER_EMBED_CACHE_TTL
    packed = {key: data for each in fresh for key, vector in each.items() if (data := _packed(vector))}
    rows = [CachedVector(key=key, vector=packed[key], expires_at=expires_at) for key in sorted(packed)]
    CachedVector.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["key"], update_fields=["vector", "expires_at"]
    )
    return [None] * len(fresh)


def clear_expired(*, now: datetime) -> int:
    """The number of them. A part at a time, so that nobody waits long for the database."""
    cleared = 0
    while expired := list(
        CachedVector.objects.filter(expires_at__lte=now).values_list("pk", flat=True)[:_CLEARED_AT_ONCE]
    ):
        cleared += CachedVector.objects.filter(pk__in=expired).delete()[0]
    return cleared


def _packed(vector: Sequence[float]) -> bytes:
    """Empty for numbers that 32 bits do not hold."""
    try:
        return struct.pack(f"<{len(vector)}f", *vector)
    except OverflowError:
        return b""


def _unpacked(data: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def _parts(keys: Iterable[str], size: int) -> Iterator[list[str]]:
    rest = iter(sorted(keys))
    while part := list(islice(rest, size)):
        yield part

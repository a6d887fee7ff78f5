"""Vectors as a ``.npy`` file, which is a short header and the numbers: two dimensions, 32 bits, lowest byte first."""

import struct
import sys
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from orchestration.errors import Unprocessable

_MAGIC = b"\x93NUMPY\x01\x00"
_ALIGNMENT = 64


def header(rows: int, columns: int) -> bytes:
    """Padded so that the numbers begin at a multiple of 64 bytes, as the format asks."""
    words = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {columns}), }}"
    fixed = len(_MAGIC) + 2
    padding = -(fixed + len(words) + 1) % _ALIGNMENT
    text = f"{words}{' ' * padding}\n".encode("latin-1")
    return _MAGIC + struct.pack("<H", len(text)) + text


def numbers(vector: Iterable[float]) -> bytes:
    values = array("f", vector)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def npy(vectors: Sequence[Sequence[float]]) -> Iterator[bytes]:
    """The file in pieces. Raises Unprocessable where the vectors are not of one length."""
    columns = len(vectors[0]) if vectors else 0
    if any(len(vector) != columns for vector in vectors):
        raise Unprocessable("The vectors are not of one length, so they do not make a table.")
    return chain([header(len(vectors), columns)], map(numbers, vectors))

"""Vectors in NumPy's file format, written without NumPy."""

import ast
import struct

import pytest

from orchestration.errors import Unprocessable
from orchestration.policy.npy import npy


def parsed(data: bytes) -> tuple[dict, list[float]]:
    assert data[:8] == b"\x93NUMPY\x01\x00"
    (length,) = struct.unpack("<H", data[8:10])
    assert (10 + length) % 64 == 0
    assert data[9 + length : 10 + length] == b"\n"
    body = data[10 + length :]
    return ast.literal_eval(data[10 : 10 + length].decode()), list(struct.unpack(f"<{len(body) // 4}f", body))


def test_rows_follow_each_other_behind_a_header_that_says_their_shape():
    header, values = parsed(b"".join(npy([[1, 2, 3], [0.5, -1, 0]])))
    assert header == {"descr": "<f4", "fortran_order": False, "shape": (2, 3)}
    assert values == [1, 2, 3, 0.5, -1, 0]


def test_no_vectors_are_an_empty_table():
    assert parsed(b"".join(npy([])))[0]["shape"] == (0, 0)


def test_vectors_of_several_lengths_make_no_table():
    with pytest.raises(Unprocessable):
        npy([[1, 2], [1]])

"""How much memory a model takes with a context: computed from its file, corrected by what was measured."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.memory_forecast import BUFFER_BYTES, cache_per_token, fit, forecast

GB = 1_000_000_000
LLAMA_8B = {
    "general.architecture": "llama",
    "llama.block_count": 32,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
    "llama.embedding_length": 4096,
}
PER_TOKEN = 32 * 8 * (128 + 128) * 2


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, PER_TOKEN),
        ({"llama.attention.key_length": 64, "llama.attention.value_length": 32}, 32 * 8 * 96 * 2),
        ({"llama.attention.head_count_kv": None}, 32 * 32 * 256 * 2),
        ({"llama.attention.head_count_kv": [8] * 16 + [0] * 16}, PER_TOKEN / 2),
        ({"llama.block_count": None}, None),
        ({"llama.attention.head_count": "many"}, None),
        ({"general.architecture": "other"}, None),
    ],
)
def test_the_cache_of_a_token_follows_from_layers_and_heads(changes: dict[str, Any], expected: float | None) -> None:
    assert cache_per_token({**LLAMA_8B, **changes}) == expected


def test_without_measurements_it_is_weights_cache_and_buffers() -> None:
    found = forecast(weights=5 * GB, per_token=PER_TOKEN, num_ctx=8192, slots=4, measured={})
    assert found.cache_bytes == 4 * 8192 * PER_TOKEN
    assert found.total_bytes == 5 * GB + found.cache_bytes + BUFFER_BYTES + GB // 10
    assert found.basis == "from its layers and heads"


def test_of_a_file_that_tells_nothing_the_size_must_do() -> None:
    found = forecast(weights=5 * GB, per_token=None, num_ctx=4096, slots=1, measured={})
    assert found.basis == "from the size of its file alone"
    assert 5 * GB < found.total_bytes < 7 * GB


def test_what_was_measured_is_not_computed() -> None:
    measured = {4096: 6 * GB}
    found = forecast(weights=5 * GB, per_token=PER_TOKEN, num_ctx=4096, slots=2, measured=measured)
    assert (found.total_bytes, found.basis) == (6 * GB, "as it was measured")
    found = forecast(weights=5 * GB, per_token=PER_TOKEN, num_ctx=8192, slots=2, measured=measured)
    assert found.total_bytes == 6 * GB + 4096 * 2 * PER_TOKEN
    assert found.basis == "from what was measured with a context of 4,096"


def test_two_measurements_tell_what_a_token_takes() -> None:
    measured = {4096: 6 * GB, 8192: 6 * GB + 4096 * 1000}
    found = forecast(weights=5 * GB, per_token=PER_TOKEN, num_ctx=16384, slots=2, measured=measured)
    assert found.total_bytes == 6 * GB + (16384 - 4096) * 1000


@given(st.integers(1, 10**12), st.integers(1, 262_144), st.integers(1, 16), st.floats(1, 10**7) | st.none())
def test_more_context_never_takes_less(weights: int, num_ctx: int, slots: int, per_token: float | None) -> None:
    def total(size: int) -> int:
        return forecast(weights=weights, per_token=per_token, num_ctx=size, slots=slots, measured={}).total_bytes

    assert weights < total(num_ctx) <= total(num_ctx + 1)


@pytest.mark.parametrize(
    ("room", "learned", "taken", "word", "words"),
    [
        (24 * GB, 0, 0, "fits", "fits"),
        (24 * GB, 0, 10 * GB, "fits", "fits beside what is loaded"),
        (12 * GB, 0, 10 * GB, "alone", "fits when other models make room"),
        (8 * GB, 0, 0, "spills", "does not fit: about 20 % would be computed on the CPU"),
        (None, 12 * GB, 0, "fits", "fits: as much was seen there before"),
        (None, 5 * GB, 0, "unknown", "nobody said how much video memory it has"),
    ],
)
def test_whether_it_fits_is_said_in_words(room: int | None, learned: int, taken: int, word: str, words: str) -> None:
    assert fit(10 * GB, room=room, learned=learned, taken=taken) == (word, words)

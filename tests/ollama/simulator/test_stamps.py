"""Times, escapes and omitted fields as Go writes them."""

import json
from datetime import UTC, datetime

import pytest

from orchestration.ollama.simulator.stamps import FOREVER, after, encode, local_stamp, utc_stamp, without_empty

MOMENT = 1_700_000_000


@pytest.mark.parametrize(
    ("nanoseconds", "fraction"), [(0, ""), (500_000_000, ".5"), (120, ".00000012"), (123_456_789, ".123456789")]
)
def test_fractions_lose_their_trailing_zeros(nanoseconds, fraction):
    assert utc_stamp(MOMENT * 10**9 + nanoseconds) == f"2023-11-14T22:13:20{fraction}Z"


def test_local_times_carry_an_offset_and_mean_the_same_moment():
    assert datetime.fromisoformat(local_stamp(MOMENT * 10**9)) == datetime.fromtimestamp(MOMENT, UTC)


def test_for_ever_is_292_years():
    assert local_stamp(after(MOMENT * 10**9, FOREVER)).startswith("2316-")


def test_markup_is_escaped_and_text_is_not():
    encoded = encode({"a": "<é&>"})
    assert encoded == '{"a":"\\u003cé\\u0026\\u003e"}'.encode()
    assert json.loads(encoded) == {"a": "<é&>"}


def test_empty_values_are_left_out_but_false_is_not_a_count():
    assert without_empty({"a": 0, "b": "", "c": [], "d": None, "e": 1}) == {"e": 1}

"""JSON that could not be kept is refused when it is read."""

import pytest

from orchestration.errors import InvalidInput
from orchestration.policy.strict_json import read_json


@pytest.mark.parametrize(
    "text", [b"[NaN]", b"[Infinity]", b"[1e999]", rb'["\u0000"]', rb'["\ud800"]', b'{"\\u0000": 1}']
)
def test_what_a_database_cannot_keep_is_refused(text):
    with pytest.raises(InvalidInput):
        read_json(text)


def test_nesting_has_an_end():
    assert read_json(b"[" * 100 + b"]" * 100)
    with pytest.raises(InvalidInput, match="nested too deeply"):
        read_json(b"[" * 101 + b"]" * 101)


def test_everything_else_is_read_as_it_stands():
    assert read_json('{"a": [1, 2.5, null, true, "ü"]}'.encode()) == {"a": [1, 2.5, None, True, "ü"]}

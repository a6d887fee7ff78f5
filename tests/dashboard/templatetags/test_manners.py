"""Values of settings as people read them."""

import pytest

from dashboard.templatetags.manners import said


@pytest.mark.parametrize(
    ("value", "name", "words"),
    [
        (1800, "keep_alive_seconds", "30 min 00 s"),
        (-1, "keep_alive_seconds", "for ever"),
        (True, "think", "on"),
        (False, "use_mmap", "off"),
        ("low", "think", "low"),
        (8192, "num_ctx", "8,192"),
        (0.5, "temperature", "0.5"),
        (["END"], "stop", '["END"]'),
        ({"type": "object"}, "format", '{"type": "object"}'),
    ],
)
def test_a_value_is_said_as_its_setting_has_it(value, name, words):
    assert said(value, name) == words

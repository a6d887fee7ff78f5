"""Go durations and the spellings of ``keep_alive``."""

import pytest

from orchestration.ollama.simulator.durations import keep_alive_seconds, parse_duration
from orchestration.ollama.simulator.refusal import Refusal


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300), ("1h30m", 5400), ("1.5h", 5400), ("300ms", 0.3), ("0", 0), ("0s", 0), ("5m0s", 300), ("2us", 2e-6)],
)
def test_durations_are_sums_of_numbers_with_units(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("10", 'time: missing unit in duration "10"'),
        ("-1", 'time: missing unit in duration "-1"'),
        ("abc", 'time: invalid duration "abc"'),
        ("", 'time: invalid duration ""'),
        ("5y", 'time: unknown unit "y" in duration "5y"'),
    ],
)
def test_other_texts_are_refused(text, complaint):
    with pytest.raises(Refusal) as caught:
        parse_duration(text)
    assert caught.value.message == complaint


@pytest.mark.parametrize(
    ("value", "seconds"), [(10, 10), (0.5, 0.5), (0, 0), (-1, float("inf")), ("-5m", float("inf")), ("90s", 90)]
)
def test_numbers_are_seconds_and_negative_means_for_ever(value, seconds):
    assert keep_alive_seconds(value) == seconds


def test_other_types_are_named():
    with pytest.raises(Refusal, match="Unsupported type: 'bool'"):
        keep_alive_seconds(True)

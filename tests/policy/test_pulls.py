"""How far a pull is: never back, whatever the server says, and in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.pulls import Meter, in_words, size, span

GB = 1_000_000_000


def test_bytes_speed_and_what_is_left_are_told_as_layers_come() -> None:
    meter = Meter(expected=5 * GB)
    meter.add("pulling manifest", None, None, None, at=0)
    assert meter.words == "pulling manifest"
    meter.add("pulling aa", "sha256:aa", 4 * GB, 0, at=0)
    meter.add("pulling aa", "sha256:aa", 4 * GB, 2 * GB, at=2)
    assert (meter.done, meter.total, meter.percent) == (2 * GB, 5 * GB, 40.0)
    assert meter.words == "2.0 GB of 5.0 GB, 1.0 GB/s, 3 s left"
    meter.add("verifying sha256 digest", None, None, None, at=3)
    assert meter.words == "verifying sha256 digest"


def test_what_was_there_already_is_no_speed() -> None:
    meter = Meter([{"digest": "sha256:aa", "total": 4 * GB, "done": GB}])
    meter.add("pulling aa", "sha256:aa", 4 * GB, GB, at=10)
    assert meter.bytes_per_second is None
    meter.add("pulling aa", "sha256:aa", 4 * GB, GB + 100_000_000, at=11)
    assert meter.bytes_per_second == 100_000_000
    meter.add("pulling bb", "sha256:bb", GB, GB, at=12)
    assert meter.bytes_per_second is None


def test_a_server_that_begins_anew_takes_nothing_back() -> None:
    meter = Meter([{"digest": "sha256:aa", "total": 100, "done": 60}])
    meter.add("pulling aa", "sha256:aa", 100, 5, at=0)
    assert (meter.done, meter.percent) == (60, 60.0)
    meter.add("pulling aa", "sha256:aa", 100, 70, at=1)
    assert meter.done == 70


def test_the_end_of_a_layer_and_another_stage_are_worth_writing_down() -> None:
    meter = Meter()
    assert meter.add("pulling manifest", None, None, None, at=0)
    assert meter.add("pulling aa", "sha256:aa", 100, 1, at=0)
    assert not meter.add("pulling aa", "sha256:aa", 100, 50, at=1)
    assert meter.add("pulling aa", "sha256:aa", 100, 100, at=2)


def test_at_the_end_everything_is_there_though_less_had_been_told() -> None:
    meter = Meter(expected=1_000)
    meter.add("pulling aa", "sha256:aa", 100, 60, at=0)
    meter.complete()
    assert (meter.done, meter.total, meter.percent) == (100, 100, 100.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 100), st.integers(-5, 200), st.floats(0, 50))))
def test_bytes_and_percent_never_go_back(lines: list[tuple[str, int, int, float]]) -> None:
    meter, seen = Meter(), [(0, 0.0)]
    for name, total, completed, at in lines:
        meter.add(f"pulling {name}", name, total, completed, at=at)
        seen.append((meter.done, meter.percent))
    assert seen == sorted(seen)
    assert all(percent <= 100 for _, percent in seen)


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (2_500, "2 kB"), (87_000_000, "87 MB"), (870_000_000, "870 MB"), (4.9e9, "4.9 GB")],
)
def test_sizes_are_told_as_ollama_tells_them(count: float, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (31, "31 s"), (150, "2 min"), (9_000, "2.5 h")])
def test_times_are_told_roughly(seconds: float, words: str) -> None:
    assert span(seconds) == words


def test_what_nobody_knows_is_left_out() -> None:
    assert in_words(GB, None, None) == "1.0 GB"

"""Figures as people read them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from dashboard.templatetags import numbers


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "—"), (0, "0 ms"), (0.0234, "23 ms"), (12.44, "12.4 s"), (228, "3 min 48 s"), (7500, "2 h 05 min")],
)
def test_durations(value, words):
    assert numbers.seconds(value) == words


@pytest.mark.parametrize(
    ("value", "words"), [(None, "—"), (-3, "0 s"), (59.9, "59 s"), (61, "1 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_ages(value, words):
    assert numbers.short(value) == words


def test_estimates_are_about_something_and_never_nothing():
    assert [numbers.about(value) for value in (0.2, 17.6, 95)] == ["about 1 s", "about 18 s", "about 1 min"]


@pytest.mark.parametrize(("value", "words"), [(None, "—"), (0.0, "0.0"), (28.44, "28.4"), (1234.5, "1,234")])
def test_rates_have_a_decimal_below_a_hundred(value, words):
    assert numbers.rate(value) == words


@pytest.mark.parametrize(("value", "words"), [(None, "—"), (274_000_000, "274 MB"), (4_900_000_000, "4.9 GB")])
def test_sizes_on_disk_are_decimal_as_ollama_prints_them(value, words):
    assert numbers.size(value) == words


@pytest.mark.parametrize(
    ("vram", "loaded", "words"),
    [
        (None, 2**30, "—"),
        (2**30, None, "1.0 GB"),
        (2**30, 2**30, "1.0 GB"),
        (0, 3 * 2**30, "3.0 GB RAM"),
        (2**30, 3 * 2**30, "1.0 GB + 2.0 GB RAM"),
        (0, 0, "0 MB"),
    ],
)
def test_what_does_not_lie_in_video_memory_lies_in_ram(vram, loaded, words):
    assert numbers.held({"vram_bytes": vram, "loaded_bytes": loaded}) == words


@pytest.mark.parametrize(
    ("used", "loaded", "total", "words"),
    [
        (None, None, 24, "— / 24 GB"),
        (0, 0, 24, "0 / 24 GB"),
        (6, 7, 24, "6 / 24 GB"),
        (0, 7, None, "7.0 GB RAM"),
        (0, 7, 24, "7.0 GB RAM"),
    ],
)
def test_a_server_without_a_gpu_shows_what_its_models_take_of_its_ram(used, loaded, total, words):
    sizes = {"vram_used_bytes": used, "loaded_bytes": loaded, "vram_bytes": total}
    node = {name: value and value * 2**30 for name, value in sizes.items()}
    assert f"{numbers.held_on_node(node)} {numbers.room_of_node(node)}".strip() == words


@pytest.mark.parametrize(("value", "words"), [(None, "—"), (512 * 2**20, "512 MB"), (24 * 2**30, "24.0 GB")])
def test_video_memory_is_counted_as_it_is_sold(value, words):
    assert numbers.memory(value) == words
    assert numbers.memory_figure(24 * 2**30) == "24"


def test_a_share_of_nothing_is_not_known():
    assert numbers.percent(0, 0) == "—"
    assert numbers.percent(2, 331) == "0.6 %"


def test_times_carry_the_absolute_one_along():
    at = datetime(2026, 11, 17, 9, 31, 5, tzinfo=UTC)
    assert 'title="17 Nov 2026, 09:31:05 UTC"' in numbers.clock(at)
    assert ">09:31:05<" in numbers.clock("2026-11-17T09:31:05.000Z")
    assert numbers.age(None) == numbers.clock("") == numbers.until(None) == "—"


def test_a_model_that_stays_loaded_for_ever_has_no_countdown():
    assert "never" in numbers.until(timezone.now() + timedelta(days=300))
    assert "2:3" in numbers.until(timezone.now() + timedelta(seconds=158))

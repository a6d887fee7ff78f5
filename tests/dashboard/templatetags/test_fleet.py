"""What pages show of nodes, in figures and words that do not flatter."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.templatetags.fleet import in_words, outages, reachability, span_words, spilled
from orchestration.policy.timelines import Change, timeline

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(hours=24)


def after(hours: float, health: str, reason: str = "") -> Change:
    return Change(at=NOON + timedelta(hours=hours), health=health, reason=reason)


def a_day(*changes: Change) -> dict[str, Any]:
    return asdict(timeline(changes, since=NOON, until=NOON + DAY))


@pytest.mark.parametrize(
    ("loaded", "vram", "total", "percent"),
    [
        (True, 750, 1000, 25),
        (True, 1000, 1000, 0),
        (True, 2000, 1000, 0),
        (True, 999_999, 1_000_000, 1),
        (True, 0, 1000, 0),
        (True, None, 1000, 0),
        (True, 750, None, 0),
        (False, 750, 1000, 0),
    ],
)
def test_the_processors_share_is_said_of_what_lies_in_both_memories(
    loaded: bool, vram: int | None, total: int | None, percent: int
) -> None:
    assert spilled({"loaded": loaded, "vram_bytes": vram, "loaded_bytes": total}) == percent


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([], "nothing is known of this time"),
        ([after(-1, "healthy")], "reachable 100 % of the known time"),
        ([after(-1, "unhealthy")], "reachable 0 % of the known time"),
        ([after(0, "healthy"), after(12, "unhealthy")], "reachable 50 % of the known time, 1 outage"),
        ([after(0, "unknown"), after(12, "healthy")], "reachable 100 % of the known time"),
        (
            [after(0, "healthy"), after(6, "unhealthy"), after(12, "healthy"), after(18, "unhealthy")],
            "reachable 50 % of the known time, 2 outages",
        ),
        (
            [after(0, "healthy"), after(1, "unhealthy"), after(1 + 1 / 3600, "healthy")],
            "reachable 99.99 % of the known time, 1 outage",
        ),
    ],
)
def test_a_day_is_told_in_words_and_almost_all_of_it_is_not_all(changes: list[Change], words: str) -> None:
    assert in_words(a_day(*changes)) == words


def test_a_span_says_what_it_was_from_when_to_when_and_why() -> None:
    first, second = a_day(after(-1, "healthy"), after(6, "unhealthy", "connection refused"))["spans"]
    assert span_words(first) == "reachable from 1 Mar 2026, 12:00:00 UTC to 1 Mar 2026, 18:00:00 UTC"
    assert span_words(second).startswith("not reachable from 1 Mar 2026, 18:00:00 UTC to 2 Mar 2026, 12:00:00")
    assert span_words(second).endswith(": connection refused")


def test_the_latest_outage_is_named_first() -> None:
    down = [after(1, "unhealthy", "first"), after(2, "healthy"), after(3, "unhealthy", "second"), after(4, "unknown")]
    assert [span["reason"] for span in outages(a_day(*down))] == ["second", "first"]
    assert outages(a_day()) == []


def test_the_bar_has_a_part_for_each_span_that_can_be_seen_and_read() -> None:
    blink = after(6 + 1 / 3600, "healthy")
    bar = reachability(a_day(after(-1, "healthy"), after(6, "unhealthy", "away"), blink))
    assert bar.count("<rect") == 3
    assert 'x="0.000%" width="25.000%" height="100%" data-state="completed"' in bar
    assert 'x="25.000%" width="0.150%" height="100%" data-state="failed"' in bar
    assert 'aria-label="reachable 99.99 % of the known time, 1 outage"' in bar


def test_what_a_server_said_is_text_in_the_bar_and_not_markup() -> None:
    bar = reachability(a_day(after(0, "unhealthy", "<script>alert('x')</script>")))
    assert "<script>" not in bar
    assert "&lt;script&gt;" in bar


def test_of_a_time_of_which_nothing_is_known_the_bar_says_so() -> None:
    bar = reachability(a_day())
    assert 'data-state="blocked"' in bar
    assert 'aria-label="nothing is known of this time"' in bar

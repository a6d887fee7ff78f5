"""What a task's page says of its attempts."""

from datetime import UTC, datetime, timedelta

from dashboard.tries import tries

BEGIN = datetime(2026, 11, 17, 9, 0, tzinfo=UTC)


def at(seconds):
    return (BEGIN + timedelta(seconds=seconds)).isoformat()


def attempt(number, **fields):
    kept = {"number": number, "node": "gpu-a", "status": "failed", "error_code": "stream_failed"}
    times = {"granted_at": at(0), "started_at": at(1), "first_token_at": None, "ended_at": at(4)}
    return {**kept, **times, **fields}


def shown(*attempts):
    return tries(attempts, now=BEGIN + timedelta(seconds=60))


def test_each_says_when_and_where_the_next_one_came():
    second = attempt(2, node="gpu-b", status="completed", error_code=None, granted_at=at(6.5), ended_at=at(9))
    later, first = shown(second, attempt(1))
    assert first["next"] == "Try 2 came 2.5 s later on gpu-b"
    assert (later["next"], later["outcome"], later["failed_with"]) == ("", "completed", "")
    assert (first["outcome"], first["failed_with"], first["took"]) == ("failed", "stream_failed", 3)


def test_the_same_node_is_named_as_such():
    assert shown(attempt(2, granted_at=at(5)), attempt(1))[1]["next"] == "Try 2 came 1.0 s later on the same node"


def test_what_made_way_or_was_lost_says_how_in_words():
    words = {"preempted": "made way", "node_lost": "node lost", "given_back": "given back", "lease_lost": "worker lost"}
    for code, outcome in words.items():
        (row,) = shown(attempt(1, status="lost", error_code=code))
        assert (row["outcome"], row["state"], row["failed_with"]) == (outcome, "retrying", "")


def test_one_that_runs_has_no_next():
    (row,) = shown(attempt(1, status="running", error_code=None, ended_at=None))
    assert (row["next"], row["state"], row["took"]) == ("", "generating", 59)

"""The words a decision is told in: stable for programs, and none without its meaning."""

from orchestration.policy.decision import Decision, Waiting, Waits


def test_codes_fit_their_column_and_are_told_apart() -> None:
    assert all(len(code) <= 20 for code in Waits)
    assert len({code.value for code in Waits}) == len(Waits)


def test_nothing_is_decided_where_nothing_is_said() -> None:
    empty = Decision()
    assert not any((empty.grants, empty.plans, empty.starts, empty.withdrawn, empty.aborts, empty.more))


def test_no_estimate_is_made_up() -> None:
    waiting = Waiting(code=Waits.BUSY, words="busy")
    assert (waiting.next_seconds, waiting.per_second, waiting.at_once) == (None, None, None)

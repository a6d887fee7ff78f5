"""Whether, when and where a failed attempt is tried again."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import DroverError, InternalError, Refused, StreamFailed, TimedOut, Unreachable
from orchestration.policy.retries import RetryPolicy, Verdict, delay_of, judge

POLICY = RetryPolicy(max_tries=3)
AWAY = Unreachable("connection refused by gpu-a")


def _judged(error: DroverError = AWAY, *, policy: RetryPolicy = POLICY, tries: int = 1, others: bool = True) -> Verdict:
    return judge(policy, error, tries=tries, others=others, spread=0)


def test_an_error_that_may_pass_is_tried_again_rather_on_another_node() -> None:
    assert _judged() == Verdict(
        delay=timedelta(seconds=1), elsewhere=True, words="Tried again after 1.0 s, on another node where one is free"
    )


def test_where_no_other_node_has_the_model_the_same_one_is_tried_again() -> None:
    assert _judged(others=False) == Verdict(
        delay=timedelta(seconds=1), elsewhere=False, words="Tried again after 1.0 s"
    )


def test_an_error_that_will_be_repeated_is_not_tried_again() -> None:
    verdict = _judged(Refused("invalid option", status=400))
    assert (verdict.delay, verdict.words) == (None, "Not tried again: it would end the same way")


def test_what_this_node_will_repeat_is_tried_again_only_elsewhere() -> None:
    gone = Refused("model 'llama3.2' not found", status=404)
    assert _judged(gone).elsewhere
    alone = _judged(gone, others=False)
    assert (alone.delay, alone.words) == (None, "Not tried again: no other node has the model")


def test_the_last_try_is_the_last() -> None:
    assert _judged(tries=2).delay is not None
    assert _judged(tries=3) == Verdict(delay=None, words="Not tried again: this was try 3 of 3")
    assert _judged(policy=RetryPolicy(max_tries=1)).delay is None


def test_chosen_codes_are_tried_again_and_no_others() -> None:
    policy = RetryPolicy(max_tries=3, on=frozenset({"timeout", "stream_failed"}))
    assert _judged(TimedOut("too long"), policy=policy).delay is not None
    assert _judged(StreamFailed("crash"), policy=policy).delay is not None
    refused = _judged(AWAY, policy=policy)
    assert refused.delay is None
    assert refused.words == "Not tried again: only stream_failed, timeout are, as its agent or model says"


def test_a_choice_does_not_repeat_what_cannot_help() -> None:
    policy = RetryPolicy(max_tries=3, on=frozenset({"refused"}))
    assert _judged(Refused("invalid option", status=400), policy=policy).delay is None
    assert _judged(Refused("server busy", status=503), policy=policy).delay is not None


def test_a_time_out_and_a_fault_of_ours_are_tried_again_only_where_somebody_chose_so() -> None:
    assert _judged(TimedOut("too long")).words == "Not tried again: timeout is not, unless its agent or model says so"
    ours = InternalError("a fault inside Drover")
    assert _judged(ours).delay is None
    chosen = _judged(ours, policy=RetryPolicy(max_tries=3, on=frozenset({"internal_error"})))
    assert (chosen.delay is not None, chosen.elsewhere) == (True, False)


@pytest.mark.parametrize(("tries", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8)])
def test_the_delay_doubles(tries: int, seconds: int) -> None:
    assert delay_of(POLICY, tries=tries, spread=0) == timedelta(seconds=seconds)


def test_the_delay_grows_as_it_is_told() -> None:
    policy = RetryPolicy(max_tries=9, first_delay=timedelta(seconds=2), growth=3)
    assert [delay_of(policy, tries=n, spread=0).total_seconds() for n in (1, 2, 3)] == [2, 6, 18]
    assert delay_of(RetryPolicy(max_tries=9, growth=1), tries=8, spread=0) == timedelta(seconds=1)


def test_chance_spreads_the_delay_by_up_to_half() -> None:
    assert delay_of(POLICY, tries=1, spread=1) == timedelta(seconds=1.5)


@given(tries=st.integers(1, 500), spread=st.floats(0, 1), first=st.floats(0, 86_400), growth=st.floats(1, 100))
def test_a_delay_is_never_negative_nor_endless(tries: int, spread: float, first: float, growth: float) -> None:
    policy = RetryPolicy(max_tries=1000, first_delay=timedelta(seconds=first), growth=growth)
    assert timedelta(0) <= delay_of(policy, tries=tries, spread=spread) <= policy.longest_delay * 1.5

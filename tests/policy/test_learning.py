"""What ended calls teach."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.learning import CLEAN_RUNS, Call, Known, learn, load_mean, received_in_part, stream_speed

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
SLOTS = 4


def call(second: float = 0.0, **fields: Any) -> Call:
    """One that was granted at that second, ran ten and wrote ten tokens in each of five of them."""
    kept = {"output_tokens": 50, "decode_seconds": 5.0, "prompt_tokens": 30, "inside_seconds": 0.0}
    at = NOON + timedelta(seconds=second)
    return Call(granted_at=at, ended_at=at + timedelta(seconds=10), run_seconds=10.0, **{**kept, **fields})


def after(*calls: Call, known: Known | None = None) -> Known:
    return learn(known or Known(), calls, slots=SLOTS)


calls = st.builds(
    lambda second, run, slowdown, tokens, decode, inside, load: Call(
        granted_at=NOON + timedelta(seconds=second),
        ended_at=NOON + timedelta(seconds=second + run),
        run_seconds=run,
        slowdown=slowdown,
        output_tokens=tokens,
        prompt_tokens=tokens,
        decode_seconds=decode,
        inside_seconds=inside,
        load_seconds=load,
    ),
    st.integers(0, 10_000),
    st.floats(0, 600),
    st.floats(1, 10),
    st.integers(0, 4000),
    st.floats(0, 600),
    st.none() | st.floats(0, 60),
    st.floats(0, 30),
)


# Speed ----------------------------------------------------------------------------------------------------------------


def test_the_first_call_is_taken_at_its_word():
    assert after(call()).tokens_per_second == pytest.approx(10)
    assert after(call()).run_seconds == 10


def test_a_later_one_weighs_a_fifth():
    known = after(call(), call(decode_seconds=2.5))
    assert known.tokens_per_second == pytest.approx(0.8 * 10 + 0.2 * 20)


def test_a_call_that_shared_the_node_tells_of_a_faster_one():
    assert after(call(slowdown=1.75)).tokens_per_second == pytest.approx(17.5)


def test_a_few_words_say_nothing_about_speed():
    known = after(call(output_tokens=3, decode_seconds=0.001))
    assert known.tokens_per_second is None
    assert known.run_seconds == 10


def test_a_call_that_writes_nothing_is_measured_by_its_prompt_without_the_load():
    embedded = call(output_tokens=0, decode_seconds=0.0, prompt_tokens=1500, load_seconds=8.0)
    assert after(embedded).tokens_per_second == pytest.approx(1500 / 15 / 2)


@pytest.mark.parametrize(("tokens", "seconds"), [(0, 1), (1, 0), (5, -1)])
def test_what_was_not_measured_has_no_speed(tokens, seconds):
    assert stream_speed(tokens, seconds, 1.0) is None


def test_a_new_load_weighs_half():
    assert load_mean(None, 8.0) == 8.0
    assert load_mean(8.0, 4.0) == 6.0


def test_a_call_that_was_broken_off_took_what_it_had_written_by_then():
    assert received_in_part(10, 30, 1.5) == pytest.approx(200)
    assert received_in_part(-1, 30, 1.5) == 0


def test_the_last_use_is_the_latest_end():
    assert after(call(60), call(0)).last_used_at == NOON + timedelta(seconds=70)


# Slots ----------------------------------------------------------------------------------------------------------------


def test_a_call_that_waited_inside_takes_a_slot():
    assert after(call(inside_seconds=3.0)).slots == SLOTS - 1


def test_a_burst_that_waited_takes_one_slot_and_not_many():
    assert after(*(call(inside_seconds=3.0) for _ in range(4))).slots == SLOTS - 1


def test_slots_fall_to_what_the_server_really_has_and_no_further():
    known = Known()
    for second in range(0, 200, 20):
        waited = max(1, known.slots or SLOTS) > 1
        known = after(call(second, inside_seconds=3.0 if waited else 0.0), known=known)
    assert known.slots == 1


def test_the_last_slot_is_never_taken():
    known = after(*(call(second, inside_seconds=3.0) for second in range(0, 200, 20)))
    assert known.slots == 1


def test_a_call_that_waited_for_a_load_says_nothing_of_slots():
    assert after(call(inside_seconds=9.0, load_seconds=12.0)).slots is None


def test_a_server_that_does_not_tell_teaches_no_slots():
    assert after(call(inside_seconds=None)).slots is None


def test_a_slot_comes_back_after_many_calls_that_did_not_wait():
    known = after(call(inside_seconds=3.0))
    clean = [call(20 + second) for second in range(CLEAN_RUNS)]
    assert after(*clean[:-1], known=known).slots == SLOTS - 1
    assert after(*clean, known=known).slots is None


def test_a_wait_in_between_starts_the_count_anew():
    known = Known(slots=2, clean_runs=CLEAN_RUNS - 1)
    known = after(call(inside_seconds=3.0), call(20), known=known)
    assert (known.slots, known.clean_runs) == (1, 1)


def test_slots_learned_are_forgotten_when_the_node_has_no_more_than_that():
    assert learn(Known(slots=3), [call()], slots=2).slots is None


@given(st.lists(calls, max_size=60), st.integers(1, 8))
def test_slots_stay_between_one_and_what_the_node_says(seen, slots):
    known = Known()
    for one in seen:
        before = known.slots or slots
        known = learn(known, [one], slots=slots)
        assert known.slots is None or 1 <= known.slots < slots
        assert abs((known.slots or slots) - before) <= 1


@given(st.lists(calls, min_size=1, max_size=60))
def test_means_stay_between_the_least_and_the_most_that_was_seen(seen):
    known = after(*seen)
    runs = [one.run_seconds for one in seen]
    assert known.run_seconds is not None
    assert min(runs) - 1e-6 <= known.run_seconds <= max(runs) + 1e-6
    assert known.tokens_per_second is None or known.tokens_per_second > 0


@given(st.lists(calls, max_size=40), st.integers(0, 40))
def test_it_makes_no_difference_in_how_many_batches_calls_are_settled(seen, cut):
    assert after(*seen[cut:], known=after(*seen[:cut])) == after(*seen)

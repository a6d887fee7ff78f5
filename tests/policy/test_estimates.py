"""What stands in for a figure nobody has measured yet, and how figures add up."""

import pytest

from orchestration.policy.estimates import Estimates, batch_gain, blend, slowdown, work_tokens

KNOWN = {(1, "a"): 10.0, (2, "a"): 30.0, (1, "b"): 50.0}


def test_a_measured_speed_is_taken_as_it_is_and_others_from_the_nearest_relative() -> None:
    estimates = Estimates(tokens_per_second=KNOWN)
    assert estimates.speed(1, "a") == 10
    assert estimates.speed(3, "a") == 20, "the mean of the same model elsewhere"
    assert estimates.speed(1, "c") == 30, "the mean of what the node does"
    assert estimates.speed(3, "c") == 30, "the default"


def test_a_load_takes_as_long_as_it_did_else_as_elsewhere_else_by_the_size() -> None:
    estimates = Estimates(load_seconds=KNOWN)
    assert estimates.load(2, "a", 0) == 30
    assert estimates.load(3, "a", 0) == 20
    assert estimates.load(2, "c", 5_000_000_000) == 7
    assert Estimates().load(1, "a", 0) == 2


def test_a_run_takes_as_long_as_those_of_its_model_and_never_as_those_of_others() -> None:
    estimates = Estimates(run_seconds=KNOWN)
    assert (estimates.run(1, "b"), estimates.run(2, "b"), estimates.run(1, "c")) == (50, 50, 10)
    assert (estimates.knows_runs("a"), estimates.knows_runs("c")) == (True, False)


def test_answers_are_as_long_as_those_of_the_same_agent_and_type() -> None:
    estimates = Estimates(output_tokens={(7, "chat"): 90.0})
    assert (estimates.work(7, "chat"), estimates.work(7, "generate"), estimates.work(None, "chat")) == (90, 250, 250)


def test_a_new_sample_moves_a_mean_by_a_fifth_and_the_first_is_the_mean() -> None:
    assert (blend(None, 7.0), blend(10.0, 20.0)) == (7, 12)


def test_company_slows_a_call_down_in_its_batch_and_more_so_beside_it() -> None:
    assert (slowdown(0, 0), slowdown(2, 0), slowdown(0, 1)) == (1, 1.5, 1.8)
    assert batch_gain(1) == 1
    assert batch_gain(4) == pytest.approx(4 / 1.75)


def test_reading_a_prompt_is_cheaper_than_writing_as_much() -> None:
    assert work_tokens(100, 150) == 110

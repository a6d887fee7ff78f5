"""The circuit of a node opens, half-opens and closes."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.circuit import Circuit, CircuitRules, CircuitState, Outcome, fold, pause

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RULES = CircuitRules(faults=3, first_pause=timedelta(seconds=10), longest_pause=timedelta(seconds=60))


def _at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def _bad(ended: float, *, granted: float | None = None) -> Outcome:
    return Outcome(
        well=False, granted_at=_at(ended - 1 if granted is None else granted), ended_at=_at(ended), words="HTTP 500"
    )


def _good(ended: float) -> Outcome:
    return Outcome(well=True, granted_at=_at(ended - 1), ended_at=_at(ended))


def _opened() -> Circuit:
    return fold(Circuit(), [_bad(1), _bad(2), _bad(3)], RULES)


def test_faults_in_a_row_open_it_for_a_while() -> None:
    circuit = _opened()
    assert (circuit.faults, circuit.until) == (3, _at(13))
    assert circuit.state(_at(12)) is CircuitState.OPEN
    assert circuit.state(_at(13)) is CircuitState.HALF_OPEN


def test_a_success_in_between_begins_the_count_anew() -> None:
    circuit = fold(Circuit(), [_bad(1), _bad(2), _good(3), _bad(4), _bad(5)], RULES)
    assert (circuit.faults, circuit.state(_at(5))) == (2, CircuitState.CLOSED)


def test_what_was_on_its_way_when_it_opened_makes_it_no_worse() -> None:
    late = [_bad(4, granted=0), _bad(20, granted=0)]
    assert fold(_opened(), late, RULES) == _opened()


def test_a_failed_try_while_half_open_opens_it_for_longer() -> None:
    circuit = fold(_opened(), [_bad(15, granted=14)], RULES)
    assert (circuit.faults, circuit.until) == (4, _at(35))
    again = fold(circuit, [_bad(40, granted=36)], RULES)
    assert again.until == _at(80)


def test_a_success_closes_it() -> None:
    assert fold(_opened(), [_good(15)], RULES) == Circuit()


def test_it_says_how_it_stands_in_words() -> None:
    circuit = _opened()
    assert circuit.words(_at(5)) == "circuit open until 12:00:13 UTC after 3 failures in a row: HTTP 500"
    assert circuit.words(_at(20)) == "circuit half open, one run at a time, after 3 failures in a row: HTTP 500"
    assert Circuit(faults=2).words(_at(5)) == ""


def test_one_fault_may_be_enough() -> None:
    circuit = fold(Circuit(), [_bad(1)], CircuitRules(faults=1))
    assert circuit.words(_at(2)).endswith("after 1 failure: HTTP 500")


@given(faults=st.integers(0, 5000), growth=st.floats(1, 100))
def test_a_pause_is_never_longer_than_the_longest(faults: int, growth: float) -> None:
    rules = CircuitRules(growth=growth)
    assert timedelta(0) < pause(rules, faults) <= rules.longest_pause

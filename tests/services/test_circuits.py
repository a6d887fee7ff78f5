"""How ended attempts open and close the circuit of their node."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from orchestration import events
from orchestration.errors import DroverError, Refused, StreamFailed
from orchestration.models import Attempt, Node, Task
from orchestration.policy.circuit import CircuitState
from orchestration.services import attempts, circuits, setbacks
from tests.services.conftest import Give, result

CRASH = StreamFailed("the runner died")


@pytest.fixture
def ended(begin: Give, submit: Any) -> Callable[..., Attempt]:
    """An attempt that ended with this error, or well."""

    def run(error: DroverError | None = CRASH) -> Attempt:
        job = begin(submit("one").tasks.get())
        if error is None:
            assert attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result())
        else:
            assert setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=error)
        return Attempt.objects.get(pk=job.attempt_id)

    return run


def _noted(*rows: Attempt) -> list[Node]:
    return circuits.note(circuits.outcomes_of(rows))


def test_faults_in_a_row_open_the_circuit_and_tell_everybody(
    ended: Callable[..., Attempt], node: Node, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DROVER_CIRCUIT_FAULTS = 2
    told: list[Any] = []
    monkeypatch.setattr(events, "on_commit", lambda *items, **_: told.extend(items))
    first, second = ended(), ended()
    _noted(first)
    assert not [payload for kind, payload in told if kind == "node"]
    assert _noted(second) == [node]
    node.refresh_from_db()
    assert second.ended_at is not None
    assert node.circuit_until == second.ended_at + settings.DROVER_CIRCUIT_PAUSE
    assert node.circuit_reason == "the runner died"
    (payload,) = [payload for kind, payload in told if kind == "node"]
    assert (payload["circuit"], payload["faults"]) == ("open", 2)
    assert payload["circuit_words"].endswith("after 2 failures in a row: the runner died")


def test_a_completed_attempt_closes_it(ended: Callable[..., Attempt], node: Node) -> None:
    well = ended(None)
    Node.objects.update(faults=7, circuit_until=well.granted_at - timedelta(seconds=1), circuit_reason="HTTP 500")
    assert _noted(well) == [node]
    node.refresh_from_db()
    assert (node.faults, node.circuit_until, node.circuit_reason) == (0, None, "")


def test_what_is_not_the_nodes_fault_changes_nothing(
    ended: Callable[..., Attempt], begin: Give, submit: Any, node: Node
) -> None:
    bad_request = ended(Refused("invalid option", status=400))
    job = begin(submit("two").tasks.get())
    setbacks.give_back(attempt_id=job.attempt_id, token=job.token, reason="the worker stops")
    given_back = Attempt.objects.get(pk=job.attempt_id)
    assert _noted(bad_request, given_back) == []
    assert circuits.outcomes_of([bad_request, given_back]) == {}
    assert Node.objects.get(pk=node.pk).faults == 0


def test_outcomes_count_in_the_order_of_their_ends(ended: Callable[..., Attempt], node: Node) -> None:
    well, bad = ended(None), ended()
    _noted(bad, well)
    assert Node.objects.get(pk=node.pk).faults == 1


def test_nothing_is_written_while_all_goes_well(
    ended: Callable[..., Attempt], django_assert_num_queries: Callable[..., Any]
) -> None:
    well = ended(None)
    with django_assert_num_queries(3):  # a savepoint, one look, its release; then the empty lock is not asked for
        assert _noted(well) == []


def test_a_node_that_is_gone_is_nobodys_circuit(ended: Callable[..., Attempt], node: Node) -> None:
    bad = ended()
    Node.objects.filter(pk=node.pk).delete()
    assert _noted(bad) == []


def test_one_run_at_a_time_is_what_a_half_open_circuit_says(node: Node, ended: Callable[..., Attempt]) -> None:
    bad = ended()
    assert bad.ended_at is not None
    Node.objects.update(faults=5, circuit_until=bad.ended_at)
    assert Node.objects.get().circuit.state(bad.ended_at) is CircuitState.HALF_OPEN
    assert Task.objects.get().status == "pending"

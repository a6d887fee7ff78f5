"""How many tasks of a model that is held are a backlog worth a second node."""

import pytest

from orchestration.policy.estimates import Estimates
from orchestration.policy.fleet import NodeView
from orchestration.policy.placement import decide
from tests.policy.fleets import CTX, NOW, A, fleet, lane, node, plan, run, runs

LONG = Estimates(output_tokens={(None, "generate"): 1_000_000.0})
LOADING = node(1, plan=plan(A, loading_since=NOW))
HALF_FULL = node(1, A, runs=[run(A)])
FULL = node(1, A, runs=runs(A))


@pytest.mark.parametrize(
    ("holder", "count", "more"), [(LOADING, 1, 0), (LOADING, 2, 0), (LOADING, 3, 1), (HALF_FULL, 1, 0), (FULL, 1, 1)]
)
def test_tasks_that_get_a_slot_where_it_is_held_are_no_backlog_however_long_they_are(
    holder: NodeView, count: int, more: int
) -> None:
    """Such as one long prompt: a second node would load for a task that is gone by then."""
    waiting = lane(9, A.model, num_ctx=CTX, counts={1: count})
    assert len(decide(fleet([holder, node(2)], [waiting], estimates=LONG)).plans) == more

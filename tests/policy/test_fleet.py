"""What the plain values of the fleet say about themselves."""

import pytest

from orchestration.policy.fleet import NodeView, Variant


def _node(**fields: object) -> NodeView:
    kept = {"installed": frozenset({"a:1"}), "loaded": {}, "busy": {}, "slots_per_model": 4}
    return NodeView(id=1, name="gpu", **{**kept, **fields})


@pytest.mark.parametrize(
    ("loaded", "has"),
    [({}, False), ({"a:1": 4096}, True), ({"a:1": 8192}, False), ({"b:1": 4096}, False), ({"a:1": None}, True)],
)
def test_a_variant_is_loaded_with_its_own_context_or_one_the_server_does_not_tell(loaded: dict, has: bool) -> None:
    assert _node(loaded=loaded).has_loaded(Variant(model="a:1", num_ctx=4096)) is has


def test_a_model_that_takes_one_request_at_a_time_has_one_slot_whatever_the_node_has() -> None:
    assert (_node().slots("a:1"), _node(single_slot=frozenset({"a:1"})).slots("a:1")) == (4, 1)

"""What the plain values of the fleet say about themselves."""

import pytest

from orchestration.policy.fleet import Variant, may_run
from tests.policy.fleets import A, B, node


@pytest.mark.parametrize(
    ("model", "num_ctx", "serves"), [("a:1b", 4096, True), ("a:1b", 8192, False), ("b:1b", 1, False)]
)
def test_a_larger_context_of_the_same_model_serves_a_smaller_request(model: str, num_ctx: int, serves: bool) -> None:
    assert A.serves(Variant(model=model, num_ctx=num_ctx)) is serves


def test_a_variant_is_called_by_its_model() -> None:
    assert str(A) == "a:1b"


def test_a_model_that_takes_one_request_at_a_time_has_one_slot_whatever_the_node_has() -> None:
    assert (node().slots(A.model), node(single_slot=frozenset({A.model})).slots(A.model)) == (2, 1)


def test_after_a_load_failed_a_smaller_context_may_still_be_tried_and_a_larger_one_not() -> None:
    failed = node(load_refused={Variant(model="a:1b", num_ctx=8192): "out of memory"})
    assert failed.could_load(A)
    assert not failed.could_load(Variant(model="a:1b", num_ctx=8192))
    assert failed.refusal(Variant(model="a:1b", num_ctx=16384)) == "out of memory"
    assert failed.could_load(B)


def test_a_node_can_load_only_what_is_on_its_disk_and_while_it_takes_work() -> None:
    assert not node(installed=frozenset()).could_load(A)
    assert not node(refuses="gpu-1 is draining").could_load(A)


@pytest.mark.parametrize(
    ("allowed", "may"),
    [((), True), (("gpu-a",), True), (("fast",), True), (("gpu-b", "slow"), False), (("gpu",), False)],
)
def test_a_model_is_kept_to_nodes_by_name_or_label(allowed: tuple[str, ...], may: bool) -> None:
    assert may_run(allowed, "gpu-a", ["eu", "fast"]) is may

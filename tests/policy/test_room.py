"""When a node can load one more model without displacing one in use."""

from typing import Any

import pytest

from orchestration.policy.fleet import NodeView, Variant
from orchestration.policy.room import disturbs, lacking, needed_bytes, reloads

GB = 1_000_000_000
A, B, C, D = (Variant(model=name, num_ctx=4096) for name in ("a:1", "b:1", "c:1", "d:1"))


def node(**fields: Any) -> NodeView:
    names = {variant.model for variant in (A, B, C, D)}
    kept = {
        "loaded": {name: 4096 for name in names},
        "vram_bytes": 24 * GB,
        "size_bytes": dict.fromkeys(names, 5 * GB),
        "slots_per_model": 1,
    }
    return NodeView(id=1, name="gpu", installed=frozenset(names), busy={}, **{**kept, **fields})


def test_an_idle_node_takes_any_model_whatever_is_loaded() -> None:
    assert lacking(node(vram_bytes=1), {}, A) == ""
    assert lacking(node(vram_bytes=1), {B: {0} - {0}}, A) == ""


def test_beside_a_model_in_use_it_must_fit_into_what_is_free() -> None:
    assert lacking(node(), {B: {0}}, A) == ""
    assert lacking(node(vram_bytes=11 * GB), {B: {0}}, A) == "b:1 in use there"


def test_what_a_loaded_model_really_takes_counts_where_it_is_known() -> None:
    assert lacking(node(resident_bytes={"b:1": 20 * GB}), {B: {0}}, A) == "b:1 in use there"


def test_without_known_memory_nothing_is_loaded_beside_a_model_in_use() -> None:
    assert "video memory is not known" in lacking(node(vram_bytes=None), {B: {0}}, A)


def test_loads_are_one_at_a_time() -> None:
    assert lacking(node(loaded={}), {B: {0}}, A) == "b:1 is being loaded there"


def test_no_more_models_are_in_use_than_a_server_holds() -> None:
    roomy = node(vram_bytes=1000 * GB)
    assert lacking(roomy, {B: {0}, C: {0}}, A) == ""
    assert lacking(roomy, {B: {0}, C: {0}, D: {0}}, A) == "b:1, c:1, d:1 are in use there"


@pytest.mark.parametrize(("num_ctx", "words"), [(4096, ""), (8192, "a:1 runs there with a context of 8192")])
def test_runs_with_another_context_stand_in_the_way_of_a_reload(num_ctx: int, words: str) -> None:
    assert reloads({Variant(model="a:1", num_ctx=num_ctx): {0}}, A) == words
    assert reloads({Variant(model="a:1", num_ctx=num_ctx): set()}, A) == ""


def test_a_larger_context_and_more_slots_need_more_memory() -> None:
    small = needed_bytes(node(), A)
    assert needed_bytes(node(), Variant(model="a:1", num_ctx=8192)) > small
    assert needed_bytes(node(slots_per_model=4), A) > small > 5 * GB


def test_new_work_for_a_resident_model_waits_while_a_load_counts_on_its_memory() -> None:
    tight = node(vram_bytes=11 * GB, loaded={"a:1": 4096})
    assert disturbs(tight, {B: {0}}, A) == "b:1 is being loaded there"
    assert disturbs(node(loaded={"a:1": 4096}), {B: {0}}, A) == ""
    assert disturbs(tight, {}, A) == ""

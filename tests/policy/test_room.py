"""What a variant takes, and what has to go for it."""

from dataclasses import replace

from orchestration.policy.fleet import NodeView, Variant
from orchestration.policy.room import capacity_bytes, needed_bytes, victims
from tests.policy.fleets import CTX, GB, A, B, C, D, node, resident

MOST = 3


def gone(at: NodeView, variant: Variant = C, *ranked: Variant) -> list[Variant] | None:
    return victims(at, variant, ranked or list(at.resident), MOST)


def test_what_was_measured_counts_and_else_the_file_and_a_cache_for_every_slot() -> None:
    unmeasured = node(known_bytes={})
    small = needed_bytes(unmeasured, A)
    assert needed_bytes(node(), A) == 10 * GB
    assert small > 10 * GB
    assert needed_bytes(unmeasured, Variant(model=A.model, num_ctx=2 * CTX)) > small
    assert needed_bytes(replace(unmeasured, slots_per_model=9), A) > small


def test_nothing_goes_where_there_is_room() -> None:
    assert gone(node(1)) == []
    assert gone(node(1, A)) == []


def test_as_many_go_as_are_in_the_way_the_least_needed_first() -> None:
    assert gone(node(1, A, B), C, B, A) == [B]
    assert gone(replace(node(1, A, B), known_bytes={C: 23 * GB}), C, B, A) == [B, A]


def test_the_same_model_with_another_context_goes_in_any_case() -> None:
    assert gone(node(1, A), Variant(model=A.model, num_ctx=2 * CTX)) == [A]
    assert gone(node(1, B, A), Variant(model=A.model, num_ctx=2 * CTX)) == [A], "and what it took is room"


def test_a_server_holds_so_many_models_however_small() -> None:
    tiny = {it: resident(size_bytes=1) for it in (A, B, D)}
    assert gone(node(1, resident=tiny), C, B, A, D) == [B]


def test_a_model_larger_than_the_whole_memory_is_loaded_alone() -> None:
    huge = {"known_bytes": {C: 99 * GB}}
    assert gone(node(1, **huge)) == []
    assert gone(node(1, A, B, **huge)) == [A, B]


def test_none_where_what_may_go_is_not_enough() -> None:
    assert victims(node(1, A, B), C, [], MOST) is None


def test_memory_kept_for_others_is_not_ours() -> None:
    assert capacity_bytes(node(reserved_bytes=20 * GB)) == 4 * GB
    assert gone(node(1, A, reserved_bytes=10 * GB)) == [A]


def test_where_nobody_said_how_much_there_is_the_most_that_was_seen_counts() -> None:
    unknown = node(1, A, vram_bytes=None, learned_bytes=10 * GB)
    assert capacity_bytes(unknown) == 10 * GB
    assert gone(unknown) == [A]
    assert gone(replace(unknown, learned_bytes=20 * GB)) == []
    assert gone(node(1, vram_bytes=None)) == [], "nothing was ever seen there: it is tried"

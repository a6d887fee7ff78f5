"""The nodes as the policy sees them, from what is stored of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.engine.holdings import node_views, refusal
from orchestration.engine.lessons import read_lessons
from orchestration.models import LoadPlan, Node, NodeModel, NodeVariant, OllamaModel
from orchestration.policy.fleet import ModelRule, NodeView, Variant
from orchestration.policy.states import NodeHealth

pytestmark = pytest.mark.django_db

MODEL = "llama3.2:latest"
LOADED = Variant(model=MODEL, num_ctx=4096)
SOON = timedelta(seconds=60)


def seen(now: datetime | None = None) -> NodeView:
    now = now or timezone.now()
    (view,) = node_views(now, {}, read_lessons(now))
    return view


def note(node: Node, num_ctx: int = 4096, **fields: Any) -> NodeVariant:
    return NodeVariant.objects.create(node=node, model_name=MODEL, num_ctx=num_ctx, **fields)


def test_what_is_in_memory_is_known_with_its_context_its_size_and_what_was_learned_of_it(node: Node) -> None:
    now = timezone.now()
    note(node, slots=2, loaded_at=now, last_used_at=now, outside_until=now + SOON, size_bytes=7)
    resident = seen(now).resident[LOADED]
    assert (resident.size_bytes, resident.slots, resident.since, resident.last_used) == (3_000_000_000, 2, now, now)
    assert resident.busy_outside
    assert not seen(now + 2 * SOON).resident[LOADED].busy_outside
    assert seen(now).known_bytes == {LOADED: 7}


def test_what_others_loaded_is_there_as_well_without_an_age(node: Node) -> None:
    resident = seen().resident[LOADED]
    assert (resident.since, resident.last_used, resident.slots) == (None, None, node.slots_per_model)


def test_where_models_live_in_main_memory_that_is_what_they_take(node: Node) -> None:
    NodeModel.objects.update(vram_bytes=0, loaded_bytes=2_500_000_000)
    assert seen().resident[LOADED].size_bytes == 2_500_000_000


def test_a_server_that_does_not_tell_a_context_has_the_one_drover_loaded_last(node: Node) -> None:
    NodeModel.objects.update(loaded_context=None)
    now = timezone.now()
    assert list(seen().resident) == [LOADED], "the usual one while nothing was loaded"
    note(node, 8192, loaded_at=now)
    note(node, 16384, loaded_at=now - SOON)
    assert list(seen().resident) == [Variant(model=MODEL, num_ctx=8192)]


def test_no_more_slots_were_learned_than_the_node_has_now(node: Node) -> None:
    note(node, slots=9)
    assert seen().resident[LOADED].slots == node.slots_per_model


def test_embedding_models_take_one_request_at_a_time(node: Node) -> None:
    OllamaModel.objects.update(capabilities=["embedding"])
    assert seen().slots(MODEL) == 1


def test_a_plan_is_read_as_it_was_written(node: Node) -> None:
    now = timezone.now()
    wanted = {"model_name": "qwen:32b", "num_ctx": 8192, "victims": [[MODEL, 4096]], "token": "t"}
    LoadPlan.objects.create(node=node, planned_at=now, expected_seconds=18, patience=True, **wanted)
    plan = seen(now).plan
    assert plan is not None
    assert (plan.variant, plan.victims) == (Variant(model="qwen:32b", num_ctx=8192), (LOADED,))
    assert (plan.since, plan.loading_since, plan.expected) == (now, None, timedelta(seconds=18))
    assert plan.patience


def test_a_load_that_failed_is_refused_with_the_words_of_the_server_until_it_may_be_tried_again(node: Node) -> None:
    now = timezone.now()
    note(node, 16384, load_not_before=now + SOON, load_error="out of memory")
    words = f"gpu-a could not load {MODEL}: out of memory"
    assert seen(now).load_refused == {Variant(model=MODEL, num_ctx=16384): words}
    assert seen(now).could_load(LOADED)
    assert seen(now + 2 * SOON).load_refused == {}


def test_memory_kept_for_others_is_given_back_after_a_while(node: Node) -> None:
    now = timezone.now()
    Node.objects.update(reserved_bytes=5, reserved_until=now + SOON)
    assert (seen(now).reserved_bytes, seen(now + 2 * SOON).reserved_bytes) == (5, 0)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, ""),
        ({"enabled": False}, "gpu-a is disabled"),
        ({"draining": True}, "gpu-a is draining"),
        ({"draining": True, "drain_note": "new card", "drained_by": "ana"}, "gpu-a is draining: new card (by ana)"),
        (
            {"draining": True, "drain_until": datetime(2026, 1, 1, 13, tzinfo=UTC)},
            "gpu-a is draining until 01 Jan 13:00 UTC",
        ),
        ({"health": NodeHealth.UNKNOWN}, "gpu-a has not answered yet"),
        ({"failures": 1}, "gpu-a did not answer just now; it is asked again"),
        (
            {"health": NodeHealth.UNHEALTHY, "health_reason": "connection refused"},
            "gpu-a offline: connection refused",
        ),
        (
            {
                "health": NodeHealth.UNHEALTHY,
                "health_reason": "connection refused",
                "health_changed_at": datetime(2026, 1, 1, 14, 2, tzinfo=UTC),
            },
            "gpu-a offline since 14:02 UTC: connection refused",
        ),
    ],
)
def test_a_node_that_takes_nothing_new_says_why(make_node: Callable[..., Node], fields: dict, words: str) -> None:
    assert refusal(make_node(**fields), timezone.now()) == words


def test_an_open_circuit_refuses_and_one_that_was_open_lets_one_through(make_node: Callable[..., Node]) -> None:
    now = timezone.now()
    make_node(faults=5, circuit_until=now + SOON)
    assert "5 attempts in a row failed there" in seen(now).refuses
    assert not seen(now).probe
    later = seen(now + 2 * SOON)
    assert (later.refuses, later.probe) == ("", True)


def test_what_is_kept_to_other_nodes_is_barred_and_not_installed(node: Node) -> None:
    now = timezone.now()
    Node.objects.update(labels=["fast"])
    for allowed, barred in ((("gpu-a",), set()), (("fast",), set()), (("gpu-b",), {MODEL})):
        (view,) = node_views(now, {}, read_lessons(now), {MODEL: ModelRule(allowed_nodes=allowed)})
        assert (view.barred, view.installed) == (barred, {MODEL} - barred)

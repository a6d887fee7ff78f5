"""Loads that have begun: noted when they succeed, explained and backed off when they fail, fenced by their token."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.errors import OllamaError, Refused, StreamStalled, Unreachable
from orchestration.models import (
    Attempt,
    Lane,
    LoadPlan,
    ModelConfig,
    Node,
    NodeModel,
    NodeVariant,
    OllamaModel,
    Pause,
    Task,
)
from orchestration.ollama.wire import LoadedModel
from orchestration.permissions import Actor
from orchestration.policy.states import NodeHealth
from orchestration.services import loads, nodes
from tests.services.conftest import MODEL

OTHER = "qwen3:8b"
NOW = timezone.now()
OOM = Refused("out of memory", status=500)
Plan = Callable[..., LoadPlan]


@pytest.fixture
def plan(node: Node) -> Plan:
    """A load that has begun three seconds ago."""

    def make(**fields: Any) -> LoadPlan:
        kept: dict[str, Any] = {"model_name": MODEL, "num_ctx": 4096, "token": "t-1", "planned_at": NOW}
        return LoadPlan.objects.create(**{"node": node, "loading_since": NOW, **kept, **fields})

    return make


def listed(name: str = MODEL, num_ctx: int | None = 4096, size: int = 3_000_000_000, **fields: Any) -> LoadedModel:
    kept = {"vram_bytes": size, "digest": "", "expires_at": datetime(2030, 1, 1, tzinfo=UTC)}
    return LoadedModel(name=name, size_bytes=size, context_length=num_ctx, **{**kept, **fields})


def end(plan: LoadPlan, *items: LoadedModel, seconds: float | None = 8.0, token: str = "t-1") -> bool:
    return loads.loaded(node_id=plan.node_id, token=token, seconds=seconds, loaded=items or (listed(),), now=NOW)


def fail(plan: LoadPlan, error: OllamaError = OOM, **fields: Any) -> bool:
    return loads.load_failed(node_id=plan.node_id, token="t-1", error=error, now=NOW, **fields)


# Well -----------------------------------------------------------------------------------------------------------------


def test_a_model_that_was_loaded_is_there_with_its_context_and_the_plan_is_done(plan: Plan, node: Node) -> None:
    assert end(plan())
    assert not LoadPlan.objects.exists()
    row = NodeModel.objects.get()
    assert (row.loaded, row.loaded_context, row.loaded_bytes) == (True, 4096, 3_000_000_000)
    variant = NodeVariant.objects.get()
    assert (variant.loaded_at, variant.load_seconds, variant.size_bytes) == (NOW, 8.0, 3_000_000_000)
    assert Node.objects.get().learned_bytes == 3_000_000_000


def test_the_last_load_is_half_of_the_mean(plan: Plan) -> None:
    end(plan(), seconds=8)
    end(plan(), seconds=4)
    assert NodeVariant.objects.get().load_seconds == 6
    end(plan(), seconds=None)
    assert NodeVariant.objects.get().load_seconds == 6


def test_a_load_whose_plan_is_gone_changes_nothing(plan: Plan) -> None:
    old = plan()
    old.delete()
    assert not end(plan(token="t-2"))
    assert not loads.load_failed(node_id=old.node_id, token="t-1", error=OOM, now=NOW)
    assert LoadPlan.objects.get().token == "t-2"
    assert not NodeVariant.objects.exists()
    assert NodeModel.objects.get().loaded_bytes is None


def test_victims_are_gone_when_the_node_does_not_list_them(make_node: Callable[..., Node], plan: Plan) -> None:
    node = make_node("gpu-b", models=(MODEL, OTHER), loaded=(OTHER,))
    NodeModel.objects.filter(model__name=OTHER).update(loaded_context=8192)
    gone = NodeVariant.objects.create(node=node, model_name=OTHER, num_ctx=8192, loaded_at=NOW)
    assert end(plan(node=node, victims=[[OTHER, 8192]]))
    gone.refresh_from_db()
    assert gone.loaded_at is None
    assert not NodeModel.objects.get(node=node, model__name=OTHER).loaded


def test_the_most_that_was_in_memory_at_once_is_remembered(plan: Plan) -> None:
    end(plan(), listed(size=4_000), listed(OTHER, size=5_000))
    end(plan(), listed(size=4_000))
    assert Node.objects.get().learned_bytes == 9_000


def test_a_success_forgets_what_failed_before(plan: Plan) -> None:
    fail(plan())
    end(plan())
    variant = NodeVariant.objects.get()
    assert (variant.load_failures, variant.load_not_before, variant.load_error) == (0, None, "")


def test_a_context_that_no_column_holds_is_taken_for_the_one_asked_for(plan: Plan) -> None:
    plan()
    assert end(LoadPlan.objects.get(), listed(num_ctx=2**40))
    assert NodeModel.objects.get(loaded=True).loaded_context == 4096
    assert NodeVariant.objects.get().num_ctx == 4096


def test_a_context_the_server_cut_is_learned_where_the_model_tells_none(plan: Plan) -> None:
    end(plan(num_ctx=8192), listed(num_ctx=2048))
    assert OllamaModel.objects.get().context_length == 2048
    assert NodeVariant.objects.get().num_ctx == 2048
    assert NodeModel.objects.get().loaded_context == 2048


def test_a_server_that_gives_less_context_than_the_model_has_is_not_asked_again_and_again(
    plan: Plan, node: Node
) -> None:
    """Its weights may be others than those under the same name elsewhere."""
    OllamaModel.objects.update(context_length=131_072)
    for failures in (1, 2):
        end(plan(num_ctx=16_384), listed(num_ctx=8192))
        row = NodeVariant.objects.get(node=node, num_ctx=16_384)
        assert (row.load_failures, row.load_not_before) == (failures, NOW + loads.backoff(failures - 1))
    assert row.load_error == "it was loaded with a context of 8192 instead of 16384"
    assert NodeModel.objects.get().loaded_context == 8192, "which serves those who need no more"


def test_a_server_that_tells_no_context_has_the_one_it_was_given(plan: Plan) -> None:
    end(plan(num_ctx=8192), listed(num_ctx=None))
    assert NodeModel.objects.get().loaded_context == 8192


def test_a_model_that_shares_the_memory_of_another_is_loaded_though_it_is_not_listed(plan: Plan, node: Node) -> None:
    sibling = OllamaModel.objects.create(name="pirate:latest")
    NodeModel.objects.create(node=node, model=sibling, size_bytes=2_000_000_321)
    assert end(plan(model_name="pirate:latest"))
    row = NodeModel.objects.get(model=sibling)
    assert (row.loaded, row.loaded_context, row.loaded_bytes, row.listed_as) == (True, 4096, 0, MODEL)
    assert NodeVariant.objects.get(model_name="pirate:latest").load_seconds is None


def test_a_model_the_node_does_not_list_after_all_counts_as_not_loaded(plan: Plan) -> None:
    assert end(plan(), listed(OTHER, size=17))
    variant = NodeVariant.objects.get()
    assert (variant.load_failures, variant.loaded_at) == (1, None)
    assert "does not list it" in variant.load_error
    assert NodeModel.objects.get(model__name=OTHER).loaded


# Polls ----------------------------------------------------------------------------------------------------------------


def _poll(began: datetime) -> nodes.Poll:
    return nodes.Poll(at=NOW + timedelta(seconds=1), began=began, ollama_version="0.30.0", loaded=[])


def test_a_poll_that_began_before_the_load_ended_does_not_make_it_undone(plan: Plan, node: Node) -> None:
    end(plan())
    nodes.record_poll(node_id=node.pk, poll=_poll(NOW - timedelta(seconds=1)))
    assert NodeModel.objects.get().loaded
    nodes.record_poll(node_id=node.pk, poll=_poll(NOW + timedelta(seconds=1)))
    assert not NodeModel.objects.get().loaded
    assert NodeVariant.objects.get().loaded_at is None


# Badly ----------------------------------------------------------------------------------------------------------------


def test_a_load_the_server_refused_is_not_tried_again_at_once(plan: Plan, settings: Any) -> None:
    settings.DROVER_LOAD_RETRY_DELAY, settings.DROVER_LOAD_RETRY_LONGEST = timedelta(seconds=1), timedelta(minutes=5)
    waits = []
    for _ in range(11):
        assert fail(plan())
        not_before = NodeVariant.objects.get().load_not_before
        assert not_before is not None
        waits.append((not_before - NOW).total_seconds())
    assert waits[:4] == [1, 2, 4, 8]
    assert waits[-1] == 300
    assert NodeVariant.objects.get().load_error == "out of memory"
    assert not LoadPlan.objects.exists()


def test_those_who_waited_for_it_alone_are_charged_a_try(plan: Plan, submitted_task: Task) -> None:
    assert fail(plan())
    submitted_task.refresh_from_db()
    assert (submitted_task.tries, submitted_task.error) == (1, "out of memory")
    assert Attempt.objects.get().error_code == "refused"


@pytest.mark.parametrize("error", [Unreachable("connection refused", cause="refused"), Unreachable("lost")])
def test_a_lost_connection_charges_nobody_and_puts_the_node_in_doubt(
    error: Unreachable, plan: Plan, submitted_task: Task
) -> None:
    assert fail(plan(), error)
    submitted_task.refresh_from_db()
    assert submitted_task.tries == 0
    assert Node.objects.get().failures == 1
    assert NodeVariant.objects.get().load_not_before is not None


def test_silence_charges_like_an_answer_because_it_may_last_for_ever(plan: Plan, submitted_task: Task) -> None:
    fail(plan(), StreamStalled("gpu-a sent nothing complete for 900 s"))
    submitted_task.refresh_from_db()
    assert submitted_task.tries == 1


def test_nobody_is_charged_while_another_node_could_load_it(
    plan: Plan, submitted_task: Task, make_node: Callable[..., Node]
) -> None:
    other = make_node("gpu-b")
    fail(plan())
    submitted_task.refresh_from_db()
    assert submitted_task.tries == 0
    for change in ({"health": NodeHealth.UNHEALTHY}, {"draining": True}, {"enabled": False}):
        kept = {"health": NodeHealth.HEALTHY, "draining": False, "enabled": True}
        Node.objects.filter(pk=other.pk).update(**{**kept, **change})
        assert loads.stranded_lanes(MODEL, 4096, NOW) == [submitted_task.lane_id]


def test_a_node_that_refuses_to_load_it_too_is_no_other_choice(
    plan: Plan, submitted_task: Task, make_node: Callable[..., Node]
) -> None:
    later = NOW + timedelta(seconds=30)
    NodeVariant.objects.create(node=make_node("gpu-b"), model_name=MODEL, num_ctx=4096, load_not_before=later)
    fail(plan())
    submitted_task.refresh_from_db()
    assert submitted_task.tries == 1


def test_a_lane_with_another_open_model_waits_for_that_one(plan: Plan, submitted_task: Task, node: Node) -> None:
    Lane.objects.update(models=[MODEL, OTHER])
    other = OllamaModel.objects.create(name=OTHER)
    NodeModel.objects.create(node=node, model=other)
    NodeVariant.objects.create(node=node, model_name=MODEL, num_ctx=4096, load_not_before=NOW + timedelta(seconds=9))
    assert loads.stranded_lanes(MODEL, 4096, NOW) == []
    config = ModelConfig.objects.create(model_name=OTHER, enabled=False)
    assert loads.stranded_lanes(MODEL, 4096, NOW) == [submitted_task.lane_id]
    config.delete()
    Pause.objects.create(kind="model", key=OTHER, paused_by_name="alice", paused_at=NOW)
    assert loads.stranded_lanes(MODEL, 4096, NOW) == [submitted_task.lane_id]


def test_lanes_that_want_less_context_are_not_charged_for_more(plan: Plan, submitted_task: Task) -> None:
    fail(plan(num_ctx=131_072))
    submitted_task.refresh_from_db()
    assert submitted_task.tries == 0


def test_a_model_that_is_not_there_any_more_is_not_installed_there(plan: Plan) -> None:
    fail(plan(), Refused("model 'llama3.2' not found", status=404))
    assert not NodeModel.objects.get().installed
    assert not NodeVariant.objects.exists()


def test_after_a_failure_what_made_room_is_known_to_be_gone(make_node: Callable[..., Node], plan: Plan) -> None:
    node = make_node("gpu-b", models=(MODEL, OTHER), loaded=(OTHER,))
    loads.load_failed(node_id=plan(node=node).node_id, token="t-1", error=OOM, loaded=(), now=NOW)
    assert not NodeModel.objects.get(node=node, model__name=OTHER).loaded


# Nodes that go --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["unhealthy", "disabled", "other address", "deleted"])
def test_the_load_of_a_node_that_goes_is_given_up(
    way: str, plan: Plan, node: Node, as_alice: Actor, settings: Any
) -> None:
    plan()
    NodeVariant.objects.create(node=node, model_name=OTHER, num_ctx=4096, loaded_at=NOW)
    if way == "unhealthy":
        for _ in range(settings.DROVER_NODE_FAILURES):
            nodes.record_poll(node_id=node.pk, poll=nodes.Poll(at=NOW, error="connection refused"))
    elif way == "disabled":
        nodes.update(actor=as_alice, node_id=node.pk, enabled=False)
    elif way == "other address":
        nodes.update(actor=as_alice, node_id=node.pk, base_url="http://10.9.9.9:11434")
    else:
        nodes.delete(actor=as_alice, node_id=node.pk)
    assert not LoadPlan.objects.exists()
    assert not NodeVariant.objects.exclude(loaded_at=None).exists()


def test_a_node_that_is_enabled_again_gets_nothing_before_it_was_looked_at(node: Node, as_alice: Actor) -> None:
    nodes.update(actor=as_alice, node_id=node.pk, enabled=False)
    assert nodes.update(actor=as_alice, node_id=node.pk, enabled=True).health == NodeHealth.UNKNOWN


# Jobs -----------------------------------------------------------------------------------------------------------------


def test_what_has_begun_is_handed_out_with_what_makes_room(plan: Plan, node: Node, settings: Any) -> None:
    plan(victims=[[OTHER, 8192]])
    (job,) = loads.begun()
    assert (job.model, job.num_ctx, job.token, job.base_url) == (MODEL, 4096, "t-1", node.base_url)
    assert job.evict == ()
    Node.objects.update(vram_bytes=24 * 2**30)
    assert loads.begun()[0].evict == ((OTHER, 8192),)


def test_what_is_only_planned_is_not_handed_out(plan: Plan) -> None:
    plan(loading_since=None)
    assert loads.begun() == []


def test_the_longest_keep_alive_holds(plan: Plan, settings: Any) -> None:
    settings.DROVER_KEEP_ALIVE = timedelta(minutes=30)
    plan()
    assert loads.begun()[0].keep_alive == timedelta(minutes=30)
    ModelConfig.objects.create(model_name=MODEL, keep_alive_seconds=7200)
    assert loads.begun()[0].keep_alive == timedelta(hours=2)


def test_a_load_that_fails_elsewhere_is_no_matter_of_pinned_tasks(
    submitted_task: Task, node: Node, make_node: Callable[..., Node]
) -> None:
    other = make_node("gpu-b")
    Lane.objects.update(node=other)
    NodeVariant.objects.create(node=other, model_name=MODEL, num_ctx=4096, load_not_before=NOW + timedelta(seconds=9))
    assert loads.stranded_lanes(MODEL, 4096, NOW, node_id=node.pk) == []
    assert loads.stranded_lanes(MODEL, 4096, NOW, node_id=other.pk) == [submitted_task.lane_id]

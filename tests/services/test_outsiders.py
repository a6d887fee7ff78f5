"""What others do on a node is noted, and what Drover does itself is not taken for it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.engine.view import fleet_view
from orchestration.models import LoadPlan, Node, NodeModel, NodeVariant, Run, Task, WorkerProcess
from orchestration.ollama.wire import LoadedModel
from orchestration.policy.outsiders import BUSY_FOR, RESERVED_FOR
from orchestration.policy.placement import decide
from orchestration.services import attempts, learning, nodes
from tests.services.conftest import MODEL, Give, result

KEEP_ALIVE = timedelta(minutes=30)
SECOND = timedelta(seconds=1)
BYTES = 3_000_000_000


class Looks:
    """Looks at a node, two seconds apart, and what each of them found in its memory."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.began = self.now = timezone.now()

    def __call__(self, *loaded: LoadedModel, after: timedelta = 2 * SECOND, error: str = "") -> Node:
        self.now += after
        poll = nodes.Poll(at=self.now, began=self.now, error=error, loaded=None if error else loaded)
        assert nodes.record_poll(node_id=self.node.pk, poll=poll) is not None
        return Node.objects.get(pk=self.node.pk)

    def model(self, name: str = MODEL, *, used: datetime | None = None, **fields: Any) -> LoadedModel:
        kept = {"digest": "d1", "size_bytes": BYTES, "vram_bytes": BYTES, "context_length": 4096}
        expires_at = (used or self.began) + KEEP_ALIVE
        return LoadedModel(name=name, expires_at=expires_at, **{**kept, **fields})

    @property
    def busy(self) -> dict[str, datetime]:
        rows = NodeVariant.objects.filter(node=self.node, outside_until__gt=self.now)
        return {row.model_name: row.outside_until for row in rows if row.outside_until}


@pytest.fixture
def look(node: Node) -> Looks:
    """The node's usual model has been seen there once."""
    looks = Looks(node)
    looks(looks.model())
    return looks


def test_a_quiet_node_is_used_by_nobody(look: Looks) -> None:
    for _ in range(3):
        assert look(look.model()).reserved_until is None
    assert look.busy == {}


def test_somebody_elses_call_makes_its_model_busy_for_a_minute(look: Looks) -> None:
    look(look.model(used=look.now + SECOND))
    assert look.busy == {MODEL: look.now + BUSY_FOR}


def test_our_calls_are_ours_until_long_after_they_were_settled(look: Looks, begin: Give, submitted_task: Task) -> None:
    job = begin(submitted_task)
    look(look.model(used=look.now + SECOND))
    ended = look.now + SECOND
    assert attempts.complete(attempt_id=job.attempt_id, token=job.token, result=result(), now=ended)
    look(look.model(used=ended))
    assert learning.settle() == 1
    look(look.model(used=ended + SECOND))
    assert look.busy == {}
    look(look.model(used=ended + SECOND), after=12 * SECOND)
    look(look.model(used=look.now + SECOND))
    assert look.busy == {MODEL: look.now + BUSY_FOR}


def test_a_model_that_others_loaded_may_be_used_and_is_marked(look: Looks) -> None:
    look(look.model(), look.model("qwen3:8b"))
    assert look.busy == {"qwen3:8b": look.now + BUSY_FOR}
    variant = NodeVariant.objects.get(model_name="qwen3:8b")
    assert (variant.loaded_at, variant.size_bytes, variant.num_ctx) == (None, BYTES, 4096)
    assert NodeModel.objects.get(model__name="qwen3:8b").loaded


def test_a_model_that_drover_loads_is_not_somebody_elses(look: Looks, node: Node) -> None:
    plan = LoadPlan.objects.create(
        node=node, model_name="qwen3:8b", num_ctx=4096, planned_at=look.now, loading_since=look.now, token="t"
    )
    look(look.model("qwen3:8b"))
    plan.delete()
    NodeVariant.objects.update_or_create(
        node=node, model_name="qwen3:8b", num_ctx=4096, defaults={"loaded_at": look.now}
    )
    after = look(look.model("qwen3:8b", used=look.now))
    assert look.busy == {}
    assert after.reserved_until is None


def test_a_plan_that_still_waits_for_its_turn_explains_nothing(look: Looks, node: Node) -> None:
    LoadPlan.objects.create(node=node, model_name="qwen3:8b", num_ctx=4096, planned_at=look.now, token="t")
    assert look().reserved_bytes == BYTES


def test_memory_taken_from_us_is_kept_for_who_took_it_until_it_is_there(look: Looks) -> None:
    taken = look()
    assert (taken.reserved_bytes, taken.reserved_until) == (BYTES, look.now + RESERVED_FOR)
    assert look().reserved_bytes == BYTES
    there = look(look.model("qwen3:8b"))
    assert (there.reserved_bytes, there.reserved_until) == (0, None)


def test_memory_is_not_kept_for_ever_for_somebody_who_does_not_come(look: Looks) -> None:
    look()
    until = look.now + RESERVED_FOR
    while look.now < until - 20 * SECOND:
        assert look(after=20 * SECOND).reserved_bytes == BYTES
    assert look(after=20 * SECOND).reserved_bytes == 0


def test_memory_is_not_kept_once_drover_itself_could_load(look: Looks, node: Node) -> None:
    look()
    NodeVariant.objects.create(node=node, model_name=MODEL, num_ctx=4096, loaded_at=look.now + SECOND)
    assert look(look.model(used=look.now + SECOND)).reserved_bytes == 0
    assert look.busy == {}


def test_a_server_that_did_not_answer_in_between_may_have_been_started_anew(look: Looks) -> None:
    look(error="Connection refused")
    assert look().reserved_bytes == 0


def test_what_was_seen_long_ago_says_nothing_about_now(look: Looks) -> None:
    look(look.model("qwen3:8b", used=look.now + timedelta(hours=1)), after=timedelta(hours=1))
    assert look.busy == {}
    assert Node.objects.get().reserved_bytes == 0


def test_a_larger_context_of_others_is_adopted_and_serves_our_smaller_requests(
    look: Looks, node: Node, submit: Callable[..., Run]
) -> None:
    submit("Say hello.")
    larger = look.model(context_length=16_384, used=look.now + SECOND)
    look(larger)
    assert look.busy == {MODEL: look.now + BUSY_FOR}
    WorkerProcess.objects.create(
        name="w", hostname="h", pid=1, capacity=10, in_use=0, started_at=look.now, seen_at=look.now
    )
    decision = decide(fleet_view(look.now))
    assert [(grant.model, grant.num_ctx) for grant in decision.grants] == [(MODEL, 16_384)]
    assert not decision.plans


def test_calls_to_a_name_that_shares_memory_with_a_listed_one_are_ours(
    look: Looks, make_node: Callable[..., Node], begin: Give, submitted_task: Task
) -> None:
    listed = look.model("writer:latest")
    look(look.model(), listed)
    NodeVariant.objects.update(outside_until=None)
    NodeModel.objects.filter(model__name=MODEL).update(listed_as="writer:latest")
    begin(submitted_task)
    look(look.model("writer:latest", used=look.now + SECOND))
    assert look.busy == {}
    assert Node.objects.get().reserved_bytes == 0

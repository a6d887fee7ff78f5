"""What nobody asks for any more is cleared away, and nothing else."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from orchestration.models import Agent, Lane, Node, NodeVariant, Run, Task
from orchestration.services import routes
from orchestration.services.unused import forget_unused

NOW = timezone.now()


def _ago(**length: float) -> datetime:
    return NOW - timedelta(**length)


def _variant(node: Node, num_ctx: int, **fields: Any) -> None:
    NodeVariant.objects.create(node=node, model_name="llama3.2:latest", num_ctx=num_ctx, **fields)


def test_contexts_that_others_came_with_once_do_not_pile_up(node: Node) -> None:
    for number in range(20):
        _variant(node, 5000 + number, outside_until=_ago(days=2), size_bytes=3_000_000_000)
    _variant(node, 1, outside_until=_ago(hours=1))
    assert forget_unused(now=NOW) == 20
    assert NodeVariant.objects.get().num_ctx == 1


def test_what_is_in_memory_backs_off_or_was_learned_lately_is_kept(node: Node) -> None:
    _variant(node, 1, loaded_at=_ago(days=90), last_used_at=_ago(days=90))
    _variant(node, 2, load_not_before=_ago(minutes=1), load_failures=3)
    _variant(node, 3, last_used_at=_ago(days=20), tokens_per_second=40.0)
    _variant(node, 4, load_seconds=8.0)
    _variant(node, 5, last_used_at=_ago(days=31), tokens_per_second=40.0, load_seconds=8.0)
    _variant(node, 6, load_not_before=_ago(days=3), load_failures=3)
    forget_unused(now=NOW)
    assert sorted(NodeVariant.objects.values_list("num_ctx", flat=True)) == [1, 2, 3, 4]


def test_the_lanes_of_an_agent_go_with_it_once_its_tasks_are_gone(submit: Callable[..., Run], agent: Agent) -> None:
    submit("one")
    routes.lane_of(agent, "chat", ["llama3.2:latest"], 4096)
    assert forget_unused(now=NOW) == 0
    agent.delete()
    assert forget_unused(now=NOW) == 1
    assert Lane.objects.get().tasks.count() == 1
    Task.objects.all().delete()
    assert forget_unused(now=NOW) == 1
    assert not Lane.objects.exists()

"""Clean-ups as the tests make them: each compared with what its dry run said."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from orchestration.models import Agent, CleanUp, RetentionRule, Task
from orchestration.payloads import retention as shapes
from orchestration.queries import retention as queries
from orchestration.services.retention import carry_on

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
EndedTask = Callable[..., Task]


def rule(agent: Agent | None = None, **fields: Any) -> RetentionRule:
    return RetentionRule.objects.create(agent=agent, **fields)


def asked(as_of: datetime = NOW) -> CleanUp:
    among = queries.rules()
    rules = [
        {name: getattr(each, name) for name in ("agent_id", "agent", "text_days", "task_days", "keep_collected")}
        for each in among
    ]
    return CleanUp.objects.create(at=timezone.now(), by_name="alice", as_of=as_of, rules=rules)


def cleaned(as_of: datetime = NOW) -> dict[str, Any]:
    """What was removed, as the dry run tells it; that both say the same is part of every test here."""
    planned = queries.dry_run(as_of)
    asked(as_of)
    row = carry_on(go_on=lambda: True)
    assert row is not None
    assert row.ended_at is not None
    done = shapes.clean_up(row)
    assert {name: done[name] for name in ("as_of", "total", "by_agent", "rules")} == planned
    return dict(done)


def texts() -> set[int]:
    """Tasks that have theirs."""
    return set(Task.objects.exclude(input="").values_list("pk", flat=True))

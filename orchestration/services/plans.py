"""The loads that nodes are committed to, as the scheduler decides them, and the accounts its grants are charged to.

What becomes of a load once it has begun is in services/loads.py.
"""

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import transaction

from orchestration import events
from orchestration.models import LoadPlan, ShareAccount
from orchestration.policy.decision import Decision, Planned
from orchestration.policy.fleet import ShareRule
from orchestration.services.fields import cut

REASON_LENGTH = 300


@transaction.atomic
def write(*, decision: Decision, now: datetime) -> list[int]:
    """Keeps what was decided about loads. The nodes whose load may begin now.

    A node has one plan: its row's key is the node, so two deciders cannot commit it twice.
    """
    LoadPlan.objects.filter(pk__in=decision.withdrawn, loading_since=None).delete()
    rows = [_row(planned, planned.node_id in decision.starts, now) for planned in decision.plans]
    LoadPlan.objects.bulk_create(rows, ignore_conflicts=True)
    LoadPlan.objects.filter(pk__in=decision.starts, loading_since=None).update(loading_since=now)
    if decision.plans or decision.starts or decision.withdrawn:
        nodes = {planned.node_id for planned in decision.plans} | {*decision.starts, *decision.withdrawn}
        events.on_commit(("plans", {"nodes": sorted(nodes)}))
    return decision.starts


def _row(planned: Planned, begins: bool, now: datetime) -> LoadPlan:
    plan = planned.plan
    return LoadPlan(
        node_id=planned.node_id,
        model_name=plan.variant.model,
        num_ctx=plan.variant.num_ctx,
        victims=[[it.model, it.num_ctx] for it in plan.victims],
        lane_id=planned.lane_id,
        reason=cut(planned.reason, REASON_LENGTH),
        patience=plan.patience,
        preload=plan.preload,
        planned_at=now,
        loading_since=now if begins else None,
        expected_seconds=plan.expected.total_seconds(),
        token=secrets.token_hex(16),
    )


def keep_accounts(*, service: Mapping[int, float], waiting: Collection[int], known: Mapping[int, ShareRule]) -> None:
    """What users have received, and who has anything unfinished; only what changed is written."""
    changed = [
        ShareAccount(
            share=share,
            service=service.get(share, known[share].service if share in known else 0.0),
            active=share in waiting,
        )
        for share in {*service, *waiting, *known}
        if share in service or share not in known or known[share].active != (share in waiting)
    ]
    ShareAccount.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["share"], update_fields=["service", "active"]
    )

"""Loads and accounts as the scheduler decides them: a node has one plan, and only what changed is written."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from orchestration import events
from orchestration.models import LoadPlan, Node, ShareAccount, Task
from orchestration.policy.decision import Decision, Planned
from orchestration.policy.fleet import Plan, ShareRule, Variant
from orchestration.services import plans

MODEL = "qwen:32b"
VICTIM = Variant(model="llama3.2:latest", num_ctx=4096)


def planned(node: Node, *, lane_id: int | None = None, reason: str = "there is room", **fields: Any) -> Planned:
    kept = {"variant": Variant(model=MODEL, num_ctx=8192), "since": timezone.now(), "expected": timedelta(seconds=18)}
    return Planned(node_id=node.pk, plan=Plan(**{**kept, **fields}), lane_id=lane_id, reason=reason)


def test_a_plan_is_kept_with_all_that_was_decided(submitted_task: Task, node: Node) -> None:
    now = timezone.now()
    made = planned(node, lane_id=submitted_task.lane_id, victims=(VICTIM,), patience=True)
    assert plans.write(decision=Decision(plans=[made]), now=now) == []
    row = LoadPlan.objects.get()
    assert (row.node_id, row.model_name, row.num_ctx, row.victims) == (node.pk, MODEL, 8192, [[VICTIM.model, 4096]])
    assert (row.lane_id, row.reason, row.patience, row.preload) == (
        submitted_task.lane_id,
        "there is room",
        True,
        False,
    )
    assert (row.planned_at, row.loading_since, row.expected_seconds) == (now, None, 18)
    assert row.token


def test_a_load_that_may_begin_at_once_does(node: Node) -> None:
    now = timezone.now()
    assert plans.write(decision=Decision(plans=[planned(node)], starts=[node.pk]), now=now) == [node.pk]
    assert LoadPlan.objects.get().loading_since == now


def test_one_that_waited_begins_when_its_victims_are_idle_and_only_once(node: Node) -> None:
    now = timezone.now()
    plans.write(decision=Decision(plans=[planned(node)]), now=now)
    for later in (1, 2):
        plans.write(decision=Decision(starts=[node.pk]), now=now + timedelta(seconds=later))
    assert LoadPlan.objects.get().loading_since == now + timedelta(seconds=1)


def test_what_nobody_needs_any_more_is_withdrawn_unless_it_has_begun(node: Node) -> None:
    plans.write(decision=Decision(plans=[planned(node)], starts=[node.pk]), now=timezone.now())
    plans.write(decision=Decision(withdrawn=[node.pk]), now=timezone.now())
    assert LoadPlan.objects.exists()
    LoadPlan.objects.update(loading_since=None)
    plans.write(decision=Decision(withdrawn=[node.pk]), now=timezone.now())
    assert not LoadPlan.objects.exists()


def test_a_node_may_be_given_another_plan_in_the_place_of_one_that_is_withdrawn(node: Node) -> None:
    plans.write(decision=Decision(plans=[planned(node)]), now=timezone.now())
    other = planned(node, variant=Variant(model="other:1b", num_ctx=4096))
    plans.write(decision=Decision(withdrawn=[node.pk], plans=[other], starts=[node.pk]), now=timezone.now())
    row = LoadPlan.objects.get()
    assert row.model_name == "other:1b"
    assert row.loading_since


def test_a_second_plan_for_a_node_is_not_written(node: Node) -> None:
    plans.write(decision=Decision(plans=[planned(node)]), now=timezone.now())
    token = LoadPlan.objects.get().token
    plans.write(decision=Decision(plans=[planned(node)]), now=timezone.now())
    assert LoadPlan.objects.get().token == token


@pytest.mark.django_db(transaction=True)
def test_two_deciders_at_once_plan_a_node_once(node: Node) -> None:
    together = threading.Barrier(2)

    def decide() -> None:
        try:
            together.wait(timeout=30)
            plans.write(decision=Decision(plans=[planned(node)]), now=timezone.now())
        finally:
            connection.close()

    deciders = [threading.Thread(target=decide) for _ in range(2)]
    for decider in deciders:
        decider.start()
    for decider in deciders:
        decider.join(timeout=60)
    assert LoadPlan.objects.count() == 1


def test_a_reason_longer_than_its_column_is_cut(node: Node) -> None:
    plans.write(decision=Decision(plans=[planned(node, reason="x" * 400)]), now=timezone.now())
    assert len(LoadPlan.objects.get().reason) == plans.REASON_LENGTH


def test_whoever_watches_is_told_which_nodes(node: Node, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        plans.write(decision=Decision(plans=[planned(node)]), now=timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        plans.write(decision=Decision(), now=timezone.now())
    told = [fields["d"] for _, fields in events.connection().xrange(events.EVENTS) if fields["k"] == "plans"]
    assert told == [f'{{"nodes":[{node.pk}]}}'] or told == [f'{{"nodes": [{node.pk}]}}']


def accounts() -> dict[int, tuple[float, bool]]:
    return {row.share: (row.service, row.active) for row in ShareAccount.objects.all()}


def test_accounts_are_kept_of_those_who_are_new_charged_or_come_and_go(
    db: None, django_assert_num_queries: Any
) -> None:
    plans.keep_accounts(service={1: 250.0}, waiting={1, 2}, known={})
    assert accounts() == {1: (250, True), 2: (0, True)}
    known = {1: ShareRule(service=250, active=True), 2: ShareRule(active=True)}
    plans.keep_accounts(service={}, waiting={1}, known=known)
    assert accounts() == {1: (250, True), 2: (0, False)}
    with django_assert_num_queries(0):
        plans.keep_accounts(service={}, waiting={1}, known={1: known[1], 2: ShareRule()})

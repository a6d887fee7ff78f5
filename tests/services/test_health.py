"""The history of a node's health: what is written, and that it stays within its bound."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.models import HealthChange, Node
from orchestration.policy.states import NodeHealth
from orchestration.services import health


def reasons(node: Node) -> list[str]:
    """The latest first."""
    return list(node.health_changes.order_by("-pk").values_list("reason", flat=True))


def test_a_change_is_kept_as_it_was_told(node: Node) -> None:
    at = timezone.now() - timedelta(minutes=3)
    health.note(node, NodeHealth.UNHEALTHY, "connection refused", at=at)
    change = HealthChange.objects.get(node=node)
    assert (change.at, change.health, change.reason) == (at, "unhealthy", "connection refused")


def test_a_reason_longer_than_its_column_is_cut(node: Node) -> None:
    health.note(node, NodeHealth.UNHEALTHY, "ü" * 1000, at=timezone.now())
    assert reasons(node) == ["ü" * 300]


def test_of_a_node_that_comes_and_goes_the_latest_changes_are_kept(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.services.health.KEPT", 3)
    for number in range(5):
        health.note(node, NodeHealth.UNHEALTHY, str(number), at=timezone.now())
    assert reasons(node) == ["4", "3", "2"]


def test_a_node_that_comes_and_goes_takes_nothing_from_the_history_of_another(
    make_node: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.services.health.KEPT", 1)
    steady, restless = make_node("gpu-a"), make_node("gpu-b")
    health.note(steady, NodeHealth.HEALTHY, "", at=timezone.now())
    for number in range(3):
        health.note(restless, NodeHealth.UNHEALTHY, str(number), at=timezone.now())
    assert (reasons(steady), reasons(restless)) == ([""], ["2"])

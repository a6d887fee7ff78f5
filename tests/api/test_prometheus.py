"""``/metrics``: who may read it, what it tells, and that Prometheus' own parser understands it."""

from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from orchestration.models import Node, User
from orchestration.services import history
from tests.api.conftest import ApiClient
from tests.loads import MODEL, at, ended_attempt, sampled, starts_at

LABELS = {"node": "gpu-a", "model": MODEL}


def _read(**headers: str) -> dict[str, list[Any]]:
    response = Client().get("/metrics", headers=headers)
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {family.name: family.samples for family in families}


def _value(samples: list[Any], **labels: str) -> float:
    return next(sample.value for sample in samples if labels.items() <= sample.labels.items())


@pytest.fixture
def key(carol_api: ApiClient) -> dict[str, str]:
    return carol_api.headers


def test_without_a_key_nobody_reads_it(db: None) -> None:
    response = Client().get("/metrics")
    assert response.status_code == 401
    assert "DROVER_METRICS_OPEN" in response.json()["error"]["message"]
    assert Client().get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_setting_opens_it_to_all(db: None, settings: Any) -> None:
    settings.DROVER_METRICS_OPEN = True
    assert "drover_tasks_waiting" in _read()


def test_whoever_is_logged_in_reads_it(carol: User) -> None:
    client = Client()
    client.force_login(carol)
    assert client.get("/metrics").status_code == 200


def test_what_runs_now_is_told_of_each_model_on_each_node(key: dict[str, str], node: Node) -> None:
    found = _read(**key)
    assert _value(found["drover_node_up"], node="gpu-a") == 1
    assert _value(found["drover_model_vram_bytes"], **LABELS) == 3_000_000_000
    assert "drover_oldest_wait_seconds" not in found
    assert found["drover_model_tokens_per_second"] == []


def test_meters_only_grow_and_count_every_attempt(key: dict[str, str], node: Node) -> None:
    starts_at(0)
    seen = []
    for second in (0, 100, 3650, 3800, 8000):
        ended_attempt(second + 1, node=node, status="failed" if second == 100 else "completed")
        history.record(samples=sampled(second, second + 2, {node: {MODEL: 1}}), now=at(second + 20))
        found = _read(**key)
        seen.append(_value(found["drover_attempts"], **LABELS))
    assert seen == [1, 2, 3, 4, 5]
    assert _value(found["drover_attempt_errors"], **LABELS) == 1
    assert _value(found["drover_output_tokens"], **LABELS) == 500


def test_first_tokens_are_a_histogram(key: dict[str, str], node: Node) -> None:
    starts_at(0)
    ended_attempt(5, node=node)
    history.record(samples=(), now=at(20))
    samples = _read(**key)["drover_first_token_seconds"]
    assert _value(samples, le="0.905097") == 0
    assert _value(samples, le="1.28") == 1
    assert _value(samples, le="+Inf") == 1

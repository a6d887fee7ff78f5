"""The load sample as it is described is the load sample as it is counted."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from orchestration import events, queries
from orchestration.models import LoadPlan, Node, NodeModel
from orchestration.payloads import LoadSample
from orchestration.services import processes
from tests.payloads.conftest import AT, SENT, Exactly

MODEL = "llama3.2:latest"


@pytest.fixture(autouse=True)
def _events(redis_server: object) -> None:
    """Workers report their speed there."""


def report(tokens: float) -> None:
    key = f"gpu-a\0{MODEL}"
    told = {"at": AT.isoformat(), "rates": {key: tokens}, "phases": {key: {"loading": 1}}}
    events.connection().hset(events.RATES, "worker-1", json.dumps(told))


def test_an_empty_herd_has_every_field_and_knows_no_speed(exactly: Exactly, db: None) -> None:
    sample = queries.load_sample(AT)
    exactly(LoadSample, sample)
    assert (sample["at"], sample["models"], sample["nodes"]) == (SENT, [], [])
    unknown = ("oldest_wait_seconds", "tokens_per_second", "first_token_p50_seconds", "first_token_p95_seconds")
    assert {name: sample["totals"][name] for name in unknown} == dict.fromkeys(unknown)


def test_a_herd_at_work_has_every_field_down_to_the_models_of_each_node(
    exactly: Exactly, make_node: Callable[..., Node]
) -> None:
    make_node("gpu-a", models=(MODEL, "phi4:latest"), loaded=(MODEL,), vram_bytes=80_000_000_000)
    loading = make_node("gpu-d", models=())
    plan = {"model_name": MODEL, "num_ctx": 4096, "expected_seconds": 18.5, "reason": "there is room", "token": "t"}
    LoadPlan.objects.create(node=loading, planned_at=AT, loading_since=AT, **plan)
    make_node("gpu-b", health="unhealthy", health_reason="it does not answer")
    make_node("gpu-c", enabled=False)
    NodeModel.objects.filter(loaded=True).update(vram_bytes=3_000_000_000, expires_at=AT + timedelta(minutes=5))
    processes.worker_beat(
        name="worker-1", hostname="here", pid=1, capacity=10, in_use=2, stopping=False, started_at=AT, now=AT
    )
    report(30)
    sample = queries.load_sample(AT)
    exactly(LoadSample, sample)
    (resident,) = sample["nodes"][0]["models"]
    assert (resident["expires_at"], resident["loading"]) == ("2026-03-01T07:35:00.123Z", True)
    assert [node["status"] for node in sample["nodes"]] == ["healthy", "unhealthy", "disabled", "healthy"]
    assert [node["plan"] and node["plan"]["since"] for node in sample["nodes"]] == [None, None, None, SENT]
    assert sample["totals"]["tokens_per_second"] == 30


def test_a_speed_of_zero_is_a_number_and_no_report_is_none(make_node: Callable[..., Node]) -> None:
    make_node("gpu-a", loaded=(MODEL,))
    (silent,) = queries.load_sample(AT)["models"]
    report(0)
    (idle,) = queries.load_sample(AT)["models"]
    assert silent["tokens_per_second"] is None
    assert idle["tokens_per_second"] == 0
    assert idle["tokens_per_second"] is not None


@pytest.mark.parametrize("change", [{"at": None}, {"extra": 1}, {"totals": {"running": 0}}, {"nodes": [{"id": 1}]}])
def test_the_description_would_notice_a_field_too_few_or_too_many(db: None, change: dict[str, object]) -> None:
    sample = {**queries.load_sample(AT), **change}
    with pytest.raises(ValidationError):
        TypeAdapter(LoadSample).validate_python(sample, strict=True, extra="forbid")

"""One node in all detail: its history, what it runs, what failed there, and what could be better."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.models import Attempt, HealthChange, Node, NodeModel, NodeVariant, OllamaModel
from orchestration.policy.states import AttemptStatus
from orchestration.queries.node_reports import node_report, versions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

GB = 2**30


@pytest.fixture
def now():
    return timezone.now()


def report(node, now, **fields):
    return node_report(node.pk, now=now, **fields)


def attempt(task, node, **fields):
    kept = {
        "number": 1,
        "node": node,
        "node_name": node.name,
        "model_name": "llama3.2:latest",
        "num_ctx": 4096,
        "slot": 0,
        "token": f"t{Attempt.objects.count()}",
        "queue": "normal",
        "granted_at": timezone.now(),
        "lease_until": timezone.now(),
    }
    return Attempt.objects.create(task=task, **{**kept, **fields})


def kinds(node, now):
    return [hint["kind"] for hint in report(node, now)["hints"]]


def test_its_timeline_begins_with_what_was_before_the_range(node, now):
    for hours, health in ((30, "unhealthy"), (26, "healthy"), (6, "unhealthy"), (5, "healthy")):
        HealthChange.objects.create(node=node, at=now - timedelta(hours=hours), health=health, reason="r")
    found = report(node, now)["timeline"]
    assert [span["health"] for span in found["spans"]] == ["healthy", "unhealthy", "healthy"]
    assert found["reachable"] == pytest.approx(23 / 24)
    assert found["outages"] == 1


def test_its_timeline_goes_back_thirty_days_and_no_further(node, now):
    found = report(node, now, span=timedelta(days=365))["timeline"]
    assert found["spans"][0]["since"].startswith(f"{now - timedelta(days=30):%Y-%m-%d}")


def test_what_runs_on_it_says_whose_it_is(submit, node, now):
    task = submit("a poem").tasks.get()
    attempt(task, node, status=AttemptStatus.RUNNING, started_at=now)
    (row,) = report(node, now)["running"]
    assert (row["task_id"], row["owner"], row["model"], row["status"]) == (task.pk, "bob", "llama3.2:latest", "running")


def test_its_last_failures_come_first_and_success_is_none(submit, node, make_node, now):
    one, two, three = (submit(text).tasks.get() for text in "abc")
    attempt(one, node, status=AttemptStatus.FAILED, ended_at=now, error_code="refused", error="HTTP 500")
    attempt(two, node, status=AttemptStatus.COMPLETED, ended_at=now)
    attempt(three, make_node("gpu-b"), status=AttemptStatus.FAILED, ended_at=now, error_code="refused")
    attempt(two, node, number=2, status=AttemptStatus.FAILED, ended_at=now, error_code="unreachable", node_fault=True)
    found = report(node, now)["failures"]
    assert [(row["task_id"], row["code"], row["node_fault"]) for row in found] == [
        (two.pk, "unreachable", True),
        (one.pk, "refused", False),
    ]


def test_a_spill_is_a_hint(node, now):
    Node.objects.update(vram_bytes=24 * GB, disk_bytes=GB)
    NodeModel.objects.update(loaded=True, loaded_bytes=4 * GB, vram_bytes=3 * GB)
    assert kinds(node, now) == ["spill"]


def test_slots_that_were_learned_are_a_hint_but_not_of_embedding_models(node, now):
    Node.objects.update(vram_bytes=24 * GB, disk_bytes=GB)
    OllamaModel.objects.create(name="nomic:latest", capabilities=["embedding"])
    NodeVariant.objects.create(node=node, model_name="nomic:latest", num_ctx=2048, slots=1)
    assert kinds(node, now) == []
    NodeVariant.objects.create(node=node, model_name="llama3.2:latest", num_ctx=4096, slots=2)
    assert kinds(node, now) == ["slots"]


def test_a_node_that_is_disabled_gets_no_advice(make_node, now):
    assert kinds(make_node(enabled=False), now) == []


def test_versions_are_compared_over_the_nodes_that_are_used(make_node):
    for name, version, enabled in (("a", "0.30.2", True), ("b", "0.12.6", True), ("c", "0.1.0", False)):
        make_node(name, ollama_version=version, enabled=enabled)
    found = versions()
    assert (found["oldest"], found["newest"]) == ("0.12.6", "0.30.2")
    assert [lag["node"] for lag in found["behind"]] == ["b"]
    assert found["behind"][0]["lacks"]


def test_one_version_is_no_difference(node):
    assert versions() == {"oldest": None, "newest": None, "behind": []}


def test_a_report_takes_a_fixed_number_of_queries(submit, node, now, django_assert_max_num_queries):
    for text in "abcd":
        attempt(submit(text).tasks.get(), node, slot=Attempt.objects.count(), status=AttemptStatus.RUNNING)
    with django_assert_max_num_queries(10):
        report(node, now)

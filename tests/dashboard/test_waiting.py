"""The block that says why a task waits, and the lanes of the overview."""

import pytest
from django.utils import timezone

from dashboard.waiting import lanes, why_it_waits
from orchestration import queries
from orchestration.models import Lane, Pause, Task, TaskDependency
from orchestration.payloads import stamp


def _why(task, actor):
    return why_it_waits(queries.get_task(task.pk), queries.task_detail(task.pk), actor)


def _says(code, words, **outlook):
    Lane.objects.update(waiting_code=code, waiting_reason=words, outlook={"at": stamp(timezone.now()), **outlook})


@pytest.fixture(autouse=True)
def _events(redis_server):
    """Reads look for live progress."""


def test_what_runs_has_no_such_block(submitted_task, as_bob):
    Task.objects.update(status="running")
    assert _why(submitted_task, as_bob) is None


def test_a_busy_model_shows_place_start_and_the_nodes_that_have_it(submitted_task, as_bob):
    _says("busy", "llama3.2:latest busy 4/4 on gpu-a", next_seconds=1.0, per_second=2.0)
    why = _why(submitted_task, as_bob)
    assert (why["words"], why["line"], why["start"]) == (
        "llama3.2:latest busy 4/4 on gpu-a",
        "next in line",
        "in a few seconds",
    )
    assert [(node["node"], node["holds"][0]["wanted"]) for node in why["nodes"]] == [("gpu-a", True)]
    assert why["next"].startswith("It starts when a slot is free.")
    assert (why["pause"], why["link"], why["state"]) == (None, None, "waiting")


def test_patience_is_that_of_its_own_class(submitted_task, as_bob):
    _says("no_room", "llama3.2:latest is on no node")
    assert "after 60 s of waiting" in _why(submitted_task, as_bob)["next"]
    Task.objects.update(priority=2)
    assert "after 300 s of waiting" in _why(submitted_task, as_bob)["next"]


@pytest.mark.parametrize(("kind", "may"), [("priority", False), ("agent", True), ("model", False)])
def test_a_pause_comes_with_the_way_to_end_it_for_who_may(submitted_task, agent, as_alice, as_bob, kind, may):
    _says("paused", "paused by ana")
    key = {"priority": "1", "agent": str(agent.pk), "model": "llama3.2:latest"}[kind]
    Pause.objects.create(kind=kind, key=key, paused_by_name="ana", paused_at=timezone.now())
    pause = _why(submitted_task, as_bob)["pause"]
    assert (pause["kind"], pause["key"], pause["why_not"] == "") == (kind, key, may)
    assert _why(submitted_task, as_alice)["pause"]["why_not"] == ""
    assert _why(submitted_task, as_bob)["state"] == "warn"


def test_what_somebody_has_to_mend_links_to_where(submitted_task, agent, as_bob):
    _says("not_pulled", "Not pulled on any node: llama3.2:latest")
    assert _why(submitted_task, as_bob)["link"]["url"] == "/nodes"
    _says("agent_limit", "Agent limit 3/3")
    assert _why(submitted_task, as_bob)["link"]["url"] == f"/agents/{agent.pk}"


def test_a_step_links_to_the_step_it_waits_for(submit, as_bob):
    run = submit("one", "two", sequential=True)
    first, second = run.tasks.order_by("position")
    assert TaskDependency.objects.get().needs == first
    assert _why(second, as_bob)["link"]["url"] == f"/tasks/{first.pk}"


def test_lanes_lead_to_their_tasks(submitted_task):
    _says("busy", "llama3.2:latest busy 4/4 on gpu-a", counts={"1": 1})
    (lane,) = lanes()
    assert lane["url"] == "/tasks?status=pending&agent=writer&type=generate"
    assert (lane["icon"], lane["count"]) == ("waiting", 1)

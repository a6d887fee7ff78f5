"""Tasks over REST after they were submitted: listed, looked at, cancelled, retried, changed, deleted."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.models import Node, Run, Task
from orchestration.policy.states import TaskStatus

from .conftest import ApiClient, end, refusal, start

Submit = Callable[..., Run]


def test_the_list_is_newest_first(bob_api: ApiClient, submit: Submit) -> None:
    submit("one", "two", "three")
    answer = bob_api.get("tasks").json()
    assert [task["title"] for task in answer["tasks"]] == ["three", "two", "one"]
    assert answer["next_cursor"] is None


def test_the_list_is_paged_by_cursor_both_ways(bob_api: ApiClient, submit: Submit) -> None:
    submit(*(f"task {number}" for number in range(5)))
    first = bob_api.get("tasks?limit=2").json()
    second = bob_api.get(f"tasks?limit=2&cursor={first['next_cursor']}").json()
    third = bob_api.get(f"tasks?limit=2&cursor={second['next_cursor']}").json()
    titles = [task["title"] for page in (first, second, third) for task in page["tasks"]]
    assert titles == [f"task {number}" for number in (4, 3, 2, 1, 0)]
    assert third["next_cursor"] is None
    assert bob_api.get(f"tasks?limit=2&cursor={second['prev_cursor']}").json()["tasks"] == first["tasks"]


def test_the_list_takes_the_filters_of_the_page(bob_api: ApiClient, submit: Submit, finished: Task) -> None:
    submit("waits", tags=["night"])
    assert [task["id"] for task in bob_api.get("tasks?status=completed").json()["tasks"]] == [finished.pk]
    assert [task["title"] for task in bob_api.get("tasks?tag=night&status=pending").json()["tasks"]] == ["waits"]
    assert bob_api.get("tasks?owner=dave").json()["tasks"] == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("statuss=failed", "Did you mean status?"),
        ("status=broken", "one of"),
        ("priority=²", "number"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=many", "limit: must be a whole number"),
        ("cursor=nonsense", "cursor"),
        ("cursor=b²", "cursor"),
    ],
)
def test_a_wrong_filter_is_refused(bob_api: ApiClient, query: str, words: str) -> None:
    assert words in refusal(bob_api.get(f"tasks?{query}"), 400, "invalid_input")["message"]


@pytest.mark.parametrize("query", [f"run={'9' * 40}", f"cursor=b{'9' * 40}", f"priority={'9' * 40}", "run=9"])
def test_numbers_that_no_row_can_have_are_no_fault_of_ours(bob_api: ApiClient, query: str) -> None:
    assert bob_api.get(f"tasks?{query}").status_code in (200, 400)


def test_a_task_is_shown_with_its_attempts(bob_api: ApiClient, finished: Task) -> None:
    answer = bob_api.get(f"tasks/{finished.pk}").json()
    assert (answer["status"], answer["output"], answer["model_used"]) == ("completed", "Hello!", "llama3.2:latest")
    assert [(attempt["number"], attempt["node"]) for attempt in answer["attempt_list"]] == [(1, "gpu-a")]


@pytest.mark.parametrize("task_id", ["7", "0", "9" * 40])
@pytest.mark.parametrize("path", ["", "/stream"])
def test_a_task_that_does_not_exist_is_404(bob_api: ApiClient, task_id: str, path: str) -> None:
    refusal(bob_api.get(f"tasks/{task_id}{path}"), 404, "not_found")


def test_a_waiting_task_is_cancelled_at_once(bob_api: ApiClient, submitted_task: Task) -> None:
    assert bob_api.post(f"tasks/{submitted_task.pk}/cancel").json()["status"] == "cancelled"


def test_a_running_task_is_asked_to_stop(bob_api: ApiClient, submitted_task: Task, node: Node) -> None:
    start(submitted_task, node)
    answer = bob_api.post(f"tasks/{submitted_task.pk}/cancel").json()
    assert (answer["status"], answer["state"]) == ("running", "cancelling")


def test_a_task_that_has_ended_cannot_be_cancelled(bob_api: ApiClient, finished: Task) -> None:
    refusal(bob_api.post(f"tasks/{finished.pk}/cancel"), 409, "conflict")


def test_a_failed_task_is_tried_again(bob_api: ApiClient, submitted_task: Task, node: Node) -> None:
    end(start(submitted_task, node), TaskStatus.FAILED, error="no luck")
    answer = bob_api.post(f"tasks/{submitted_task.pk}/retry").json()
    assert (answer["status"], answer["error"]) == ("pending", None)


def test_a_task_that_waits_cannot_be_retried(bob_api: ApiClient, submitted_task: Task) -> None:
    refusal(bob_api.post(f"tasks/{submitted_task.pk}/retry"), 409, "conflict")


def test_a_waiting_task_gets_another_priority_and_tags(bob_api: ApiClient, submitted_task: Task) -> None:
    answer = bob_api.patch(f"tasks/{submitted_task.pk}", {"priority": 0, "tags": ["soon"]}).json()
    assert (answer["priority"], answer["tags"]) == (0, ["soon"])
    answer = bob_api.patch(f"tasks/{submitted_task.pk}", {"priority": 2}).json()
    assert (answer["priority"], answer["tags"]) == (2, ["soon"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"priority": 9}, "priority"),
        ({"prio": 1}, "did you mean priority?"),
        ({"tags": "soon"}, "tags: must be a list"),
    ],
)
def test_a_wrong_change_is_refused(
    bob_api: ApiClient, submitted_task: Task, changes: dict[str, Any], words: str
) -> None:
    assert words in refusal(bob_api.patch(f"tasks/{submitted_task.pk}", changes), 400)["message"]
    submitted_task.refresh_from_db()
    assert submitted_task.priority == 1


def test_an_ended_task_is_not_changed_any_more(bob_api: ApiClient, finished: Task) -> None:
    refusal(bob_api.patch(f"tasks/{finished.pk}", {"priority": 0}), 409, "conflict")


def test_an_ended_task_is_deleted(bob_api: ApiClient, finished: Task) -> None:
    response = bob_api.delete(f"tasks/{finished.pk}")
    assert (response.status_code, response.content) == (204, b"")
    refusal(bob_api.delete(f"tasks/{finished.pk}"), 404, "not_found")


def test_a_task_that_has_not_ended_is_not_deleted(bob_api: ApiClient, submitted_task: Task) -> None:
    refusal(bob_api.delete(f"tasks/{submitted_task.pk}"), 409, "conflict")
    assert Task.objects.filter(pk=submitted_task.pk).exists()


CHANGES = [("POST", "/cancel", None), ("POST", "/retry", None), ("PATCH", "", {"priority": 0}), ("DELETE", "", None)]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize("who", ["dave", "carol"])
def test_neither_a_stranger_nor_a_viewer_changes_a_task(
    request: pytest.FixtureRequest, finished: Task, who: str, method: str, path: str, body: Any
) -> None:
    client = request.getfixturevalue(f"{who}_api")
    before = Task.objects.filter(pk=finished.pk).values().get()
    refusal(client.request(method, f"tasks/{finished.pk}{path}", body), 403, "not_allowed")
    assert Task.objects.filter(pk=finished.pk).values().get() == before


def test_an_admin_cancels_the_tasks_of_others(alice_api: ApiClient, submitted_task: Task) -> None:
    assert alice_api.post(f"tasks/{submitted_task.pk}/cancel").status_code == 200


def test_a_viewer_sees_everything(carol_api: ApiClient, finished: Task) -> None:
    assert carol_api.get(f"tasks/{finished.pk}").json()["output"] == "Hello!"
    assert carol_api.get(f"runs/{finished.run_id}").status_code == 200

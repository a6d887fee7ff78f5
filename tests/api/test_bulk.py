"""All tasks that match a filter, over REST: role by role, with and without a number."""

from collections.abc import Callable

import pytest

from orchestration.models import Run, Task
from orchestration.permissions import Actor

from .conftest import ApiClient, refusal


@pytest.fixture
def three(submit: Callable[..., Run], as_dave: Actor) -> None:
    """Two of bob's, one of dave's."""
    submit("one", "two")
    submit("three", actor=as_dave)


@pytest.mark.parametrize(("name", "changed"), [("alice_api", 3), ("bob_api", 2), ("dave_api", 1)])
def test_what_belongs_to_others_is_skipped_and_counted(
    name: str, changed: int, three: None, request: pytest.FixtureRequest
) -> None:
    client: ApiClient = request.getfixturevalue(name)
    expected = {"matched": 3, "changed": changed, "skipped": {"foreign": 3 - changed, "moved_on": 0}}
    assert client.post("tasks/priority?agent=writer", {"priority": 0}).json() == expected
    assert client.post("tasks/cancel?agent=writer", {}).json() == expected
    assert Task.objects.filter(status="cancelled", priority=0).count() == changed


def test_a_viewer_is_refused(carol_api: ApiClient, three: None) -> None:
    refusal(carol_api.post("tasks/cancel?agent=writer", {}), 403, "not_allowed")
    refusal(carol_api.post("tasks/priority?agent=writer", {"priority": 0}), 403, "not_allowed")


def test_without_a_filter_it_says_how_many_to_expect(alice_api: ApiClient, three: None) -> None:
    assert refusal(alice_api.post("tasks/cancel", {}), 409, "conflict")["detail"] == {"matched": 3}
    assert alice_api.post("tasks/cancel", {"expected": 3}).json()["changed"] == 3


def test_more_than_expected_changes_nothing(alice_api: ApiClient, three: None) -> None:
    error = refusal(alice_api.post("tasks/cancel?status=waiting", {"expected": 2}), 409, "conflict")
    assert (error["detail"], Task.objects.filter(status="cancelled").count()) == ({"matched": 3}, 0)


def test_what_came_later_is_left_alone(alice_api: ApiClient, three: None) -> None:
    first = Task.objects.order_by("pk").values_list("pk", flat=True)[0]
    assert alice_api.post("tasks/cancel?status=waiting", {"up_to": first}).json()["changed"] == 1


def test_a_body_is_not_needed(bob_api: ApiClient, three: None) -> None:
    assert bob_api.post("tasks/cancel?agent=writer").json()["changed"] == 2


@pytest.mark.parametrize(
    ("query", "words"),
    [("limit=5", "limit is for lists"), ("cursor=b5", "cursor is for lists"), ("agnet=writer", "Did you mean agent?")],
)
def test_a_filter_that_would_be_ignored_is_refused(bob_api: ApiClient, three: None, query: str, words: str) -> None:
    assert words in refusal(bob_api.post(f"tasks/cancel?{query}", {}), 400, "invalid_input")["message"]
    assert not Task.objects.filter(status="cancelled").exists()


@pytest.mark.parametrize("body", [{"priority": 3}, {"priority": "high"}, {}, {"priority": 0, "expected": -1}])
def test_what_is_no_priority_is_refused(bob_api: ApiClient, three: None, body: object) -> None:
    refusal(bob_api.post("tasks/priority?agent=writer", body), 400, "invalid_input")

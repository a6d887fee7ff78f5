"""Kept answers over REST, for each role: searched, read, rated."""

from typing import Any

import pytest

from orchestration.models import Run, Task
from orchestration.services import gathering

from .conftest import refusal

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def fish(submit: Any) -> list[int]:
    """Two answers, the second one to something that a spreadsheet would run."""
    run: Run = submit("Name a red fish.", "=1+1")
    ids = list(run.tasks.order_by("pk").values_list("pk", flat=True))
    for pk, output in zip(ids, ("The red snapper.", "@SUM(A1)"), strict=True):
        Task.objects.filter(pk=pk).update(
            status="completed", output=output, model_used="llama3.2:latest", ended_at="2026-11-20T12:00:00Z"
        )
    gathering.gather(seconds=60)
    return ids


def test_answers_are_searched_with_counts_and_passages(fish, carol_api):
    found = carol_api.get("outputs?q=red").json()
    (row,) = found["outputs"]
    assert (row["id"], row["model"], found["total"], found["is_whole"]) == (fish[0], "llama3.2:latest", 1, True)
    assert row["snippet"] == [
        {"text": "The ", "hit": False},
        {"text": "red", "hit": True},
        {"text": " snapper.", "hit": False},
    ]
    assert found["facets"]["model"] == [{"value": "llama3.2:latest", "count": 1}]
    bare = carol_api.get("outputs?facets=false&limit=1").json()
    assert (bare["total"], bare["facets"], bare["next_cursor"]) == (None, {}, f"n{fish[1]}")
    assert carol_api.get(f"outputs?limit=1&cursor={bare['next_cursor']}").json()["outputs"][0]["id"] == fish[0]


def test_an_answer_is_read_in_full(fish, carol_api):
    found = carol_api.get(f"outputs/{fish[0]}").json()
    assert (found["prompt"], found["output"], found["owner"]) == ("Name a red fish.", "The red snapper.", "bob")
    refusal(carol_api.get("outputs/999999"), 404)


def test_who_may_rate(fish, alice_api, bob_api, carol_api, dave_api, anybody):
    path = f"outputs/{fish[0]}"
    refusal(anybody.get("outputs"), 401)
    for api in (carol_api, dave_api):
        refusal(api.patch(path, {"rating": 1}), 403)
    changed = bob_api.patch(path, {"rating": 4, "tags": ["sea"], "note": "Good."}).json()
    assert (changed["rating"], changed["rated_by"], changed["tags"], changed["note"]) == (4, "bob", ["sea"], "Good.")
    assert alice_api.patch(path, {"rating": None}).json()["rating"] is None
    assert bob_api.get("outputs?tag=sea").json()["total"] == 1


@pytest.mark.parametrize("body", [{"rating": 6}, {"rating": "five"}, {"tags": ["x" * 41]}, {"stars": 3}])
def test_odd_ratings_are_refused(fish, bob_api, body):
    refusal(bob_api.patch(f"outputs/{fish[0]}", body), 400)


@pytest.mark.parametrize("query", ["colour=red", "rating=9", "cursor=zzz", "limit=0", "sort=old"])
def test_what_is_no_question_is_refused(fish, bob_api, query):
    refusal(bob_api.get(f"outputs?{query}"), 400)


def test_an_export_of_an_unknown_kind_or_by_nobody_is_refused(fish, carol_api, anybody):
    refusal(carol_api.get("outputs/export?format=pdf"), 400)
    refusal(anybody.get("outputs/export"), 401)

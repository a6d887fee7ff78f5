"""Collections over REST, for each role."""

from typing import Any

import pytest

from orchestration.models import Task
from orchestration.services import gathering

from .conftest import refusal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def fish(submit: Any) -> int:
    task = submit("Name a fish.").tasks.get()
    Task.objects.filter(pk=task.pk).update(status="completed", output="A pike.", ended_at="2026-11-20T12:00:00Z")
    gathering.gather(seconds=60)
    return int(task.pk)


def test_a_collection_is_made_filled_shown_emptied_and_deleted(fish, bob_api, carol_api):
    made = bob_api.post("collections", {"name": "Best", "description": "Of all.", "ids": [fish]})
    assert made.status_code == 201
    row = made.json()
    assert (row["name"], row["owner"], row["outputs"]) == ("Best", "bob", 1)
    assert carol_api.get("collections").json() == {"collections": [row], "next_cursor": None}
    path = f"collections/{row['id']}"
    assert carol_api.get(path).json() == row
    assert carol_api.get(f"outputs?collection={row['id']}").json()["outputs"][0]["collections"] == [
        {"id": row["id"], "name": "Best"}
    ]
    assert bob_api.patch(path, {"name": "Good"}).json()["description"] == "Of all."
    assert bob_api.delete(f"{path}/outputs?ids={fish}").json()["outputs"] == 0
    assert bob_api.post(f"{path}/outputs", {"ids": [fish]}).json()["outputs"] == 1
    assert bob_api.delete(path).status_code == 204
    refusal(bob_api.get(path), 404)


def test_who_may_what(fish, alice_api, bob_api, carol_api, dave_api, anybody):
    refusal(anybody.get("collections"), 401)
    refusal(carol_api.post("collections", {"name": "Mine"}), 403)
    path = f"collections/{bob_api.post('collections', {'name': 'Best'}).json()['id']}"
    for api in (carol_api, dave_api):
        refusal(api.patch(path, {"name": "Mine"}), 403)
        refusal(api.post(f"{path}/outputs", {"ids": [fish]}), 403)
        refusal(api.delete(f"{path}/outputs?ids={fish}"), 403)
        refusal(api.delete(path), 403)
    assert alice_api.delete(path).status_code == 204


def test_what_cannot_be_is_refused(fish, bob_api):
    bob_api.post("collections", {"name": "Best"})
    refusal(bob_api.post("collections", {"name": "Best"}), 409)
    refusal(bob_api.post("collections", {"name": ""}), 400)
    refusal(bob_api.post("collections", {"name": "Good", "ids": [999999]}), 400)
    refusal(bob_api.post("collections/999999/outputs", {"ids": [fish]}), 404)

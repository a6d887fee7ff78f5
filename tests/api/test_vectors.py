"""Vectors of embed tasks, as numbers and as a file."""

import struct

import pytest

from orchestration.models import Task
from tests.api.conftest import end, refusal, start

VECTORS = [[1.0, 0.5, -2.0], [0.0, 0.25, 3.0]]


@pytest.fixture
def embedded(submit, node):
    task = submit("one", type="embed").tasks.get()
    end(start(task, node), vectors=VECTORS)
    return task


def test_vectors_are_lists_of_numbers(carol_api, embedded):
    answer = carol_api.get(f"tasks/{embedded.pk}/vectors").json()
    assert answer == {"task_id": embedded.pk, "model_used": "llama3.2:latest", "dimensions": 3, "vectors": VECTORS}
    assert carol_api.get(f"tasks/{embedded.pk}").json()["output"] == VECTORS


def test_vectors_are_a_file_for_numpy(carol_api, embedded):
    answer = carol_api.get(f"tasks/{embedded.pk}/vectors?format=npy")
    assert answer["Content-Type"] == "application/octet-stream"
    assert f"task-{embedded.pk}.npy" in answer["Content-Disposition"]
    assert b"'shape': (2, 3)" in answer.content
    assert struct.unpack("<6f", answer.content[-24:]) == (1, 0.5, -2, 0, 0.25, 3)


def test_a_task_that_is_not_done_and_one_of_another_type_have_none(carol_api, submit, finished):
    waiting = submit("one", type="embed").tasks.get()
    refusal(carol_api.get(f"tasks/{waiting.pk}/vectors"), 409, "conflict")
    refusal(carol_api.get(f"tasks/{finished.pk}/vectors"), 422, "unprocessable")
    refusal(carol_api.get(f"tasks/{waiting.pk}/vectors?format=csv"), 400)
    Task.objects.all().delete()
    refusal(carol_api.get(f"tasks/{waiting.pk}/vectors"), 404)

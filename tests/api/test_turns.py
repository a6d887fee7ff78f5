"""Turns over REST: said, asked again, edited, waited for, streamed."""

import asyncio
import json

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from orchestration.models import Task, Turn

from .conftest import ROOT, end, refusal, start

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def path(bob_api, agent, node):
    return f"conversations/{bob_api.post('conversations', {'agent_id': 'writer'}).json()['id']}/turns"


def answered(turn, node, output="Hi!"):
    end(start(Task.objects.get(pk=turn["answer"]["task_id"]), node), output=output)


def test_something_is_said_and_its_answer_is_part_of_the_conversation(path, bob_api, node):
    answer = bob_api.post(path, {"text": "Hello."})
    turn = answer.json()
    assert answer.status_code == 202
    assert (turn["text"], turn["number"], turn["answer"]["status"]) == ("Hello.", 1, "pending")
    answered(turn, node)
    shown = bob_api.get(path.removesuffix("/turns")).json()
    assert [(turn["text"], turn["answer"]["output"]) for turn in shown["turns"]] == [("Hello.", "Hi!")]
    assert shown["window"]["sent"] == 1


def test_a_conversation_that_no_database_could_hold_is_not_found(bob_api):
    refusal(bob_api.post(f"conversations/{10**30}/turns", {"text": "Hello."}), 404)


def test_while_an_answer_is_written_nothing_else_is_said(path, bob_api):
    turn = bob_api.post(path, {"text": "Hello."}).json()
    error = refusal(bob_api.post(path, {"text": "Me again."}), 409, "conflict")
    assert error["detail"]["task_id"] == turn["answer"]["task_id"]
    refusal(bob_api.post(f"{path}/{turn['id']}/regenerate", {}), 409)


def test_another_answer_and_other_words_are_branches(path, bob_api, node):
    first = bob_api.post(path, {"text": "Hello."}).json()
    answered(first, node)
    again = bob_api.post(f"{path}/{first['id']}/regenerate", {}).json()
    answered(again, node)
    edited = bob_api.post(f"{path}/{first['id']}/edit", {"text": "Good morning."}).json()
    assert edited["siblings"] == [first["id"], again["id"], edited["id"]]
    assert (again["text"], edited["text"]) == ("Hello.", "Good morning.")
    assert {turn["parent_id"] for turn in (first, again, edited)} == {None}


def test_the_same_key_is_the_same_turn_in_the_same_place(path, bob_api, node):
    first = bob_api.post(path, {"text": "Hello."}, Idempotency_Key="k").json()
    assert bob_api.post(path, {"text": "Hello."}, Idempotency_Key="k").json()["id"] == first["id"]
    refusal(bob_api.post(path, {"text": "Bye."}, Idempotency_Key="k"), 409)
    answered(first, node)
    refusal(bob_api.post(f"{path}/{first['id']}/edit", {"text": "Hello."}, Idempotency_Key="k"), 409)
    assert Turn.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"text": ""}, 400),
        ({}, 400),
        ({"text": "x", "images": ["!"]}, 400),
        ({"text": "x", "model_name": "gpt-9"}, 422),
        ({"text": "x", "parent_id": 999}, 404),
        ({"text": "x", "document_ids": [999]}, 404),
        ({"text": "x", "words": 1}, 400),
    ],
)
def test_what_cannot_be_done_is_refused_with_words(path, bob_api, body, status):
    refusal(bob_api.post(path, body), status)
    assert not Turn.objects.exists()


def test_only_those_who_may_say_something(path, bob_api, carol_api, dave_api, alice_api, node):
    for api in (carol_api, dave_api):
        refusal(api.post(path, {"text": "Hello."}), 403)
    turn = alice_api.post(path, {"text": "Hello."}).json()
    answered(turn, node)
    for api in (carol_api, dave_api):
        refusal(api.post(f"{path}/{turn['id']}/regenerate", {}), 403)
        refusal(api.post(f"{path}/{turn['id']}/edit", {"text": "x"}), 403)


async def until_submitted():
    for _ in range(1000):
        task = await Task.objects.filter(status="pending").afirst()
        if task is not None:
            return task
        await asyncio.sleep(0.01)
    raise AssertionError("nothing was submitted")


async def say(api, path, body):
    return await AsyncClient().post(
        f"{ROOT}{path}", json.dumps(body), content_type="application/json", headers=api.headers
    )


@pytest.mark.django_db(transaction=True)
async def test_one_may_wait_for_the_answer(path, bob_api, node):
    waiting = asyncio.create_task(say(bob_api, f"{path}?wait=60", {"text": "Hello."}))
    task = await until_submitted()
    await sync_to_async(lambda: end(start(task, node), output="Hi!"))()
    answer = await asyncio.wait_for(waiting, 20)
    found = json.loads(answer.content)["answer"]
    assert (answer.status_code, found["output"], found["status"]) == (200, "Hi!", "completed")


@pytest.mark.django_db(transaction=True)
async def test_the_answer_comes_line_by_line_after_the_turn(path, bob_api, node):
    answer = await say(bob_api, f"{path}?stream=true", {"text": "Hello."})
    assert answer["Content-Type"] == "application/x-ndjson"
    chunks = aiter(answer.streaming_content)
    turn = json.loads(await asyncio.wait_for(anext(chunks), 20))
    assert (turn["text"], turn["answer"]["status"]) == ("Hello.", "pending")
    task = await until_submitted()
    await sync_to_async(lambda: end(start(task, node), output="Hi!"))()
    async with asyncio.timeout(20):
        lines = [json.loads(chunk) async for chunk in chunks]
    assert "".join(line["text"] for line in lines if line.get("type") == "text") == "Hi!"
    assert (lines[-1]["id"], lines[-1]["output"]) == (turn["answer"]["task_id"], "Hi!")

"""``POST tasks?wait=``: the answer comes when all have ended or the time is over, and costs no thread meanwhile."""

import asyncio
import json
import threading
import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from orchestration.models import Agent, Node, Task
from orchestration.policy.states import TaskStatus

from .conftest import ROOT, ApiClient, end, start

pytestmark = pytest.mark.django_db(transaction=True)
BODY = {"agent_id": "writer", "tasks": [{"type": "generate", "input": "Say hello."}]}


async def submit(client: ApiClient, wait: float, body: dict[str, Any] = BODY) -> tuple[int, dict[str, Any]]:
    response = await AsyncClient().post(
        f"{ROOT}tasks?wait={wait}", json.dumps(body), content_type="application/json", headers=client.headers
    )
    return response.status_code, json.loads(response.content)


async def until_submitted(count: int = 1) -> list[Task]:
    for _ in range(1000):
        tasks = [task async for task in Task.objects.order_by("pk")]
        if len(tasks) == count:
            return tasks
        await asyncio.sleep(0.01)
    raise AssertionError("the tasks did not arrive")


async def test_the_answer_comes_when_the_task_has_ended(bob_api: ApiClient, agent: Agent, node: Node) -> None:
    answer = asyncio.create_task(submit(bob_api, wait=60))
    [task] = await until_submitted()
    await sync_to_async(lambda: end(start(task, node), output="Hello!"))()
    status, run = await asyncio.wait_for(answer, 20)
    assert (status, run["status"], run["results"][0]["output"]) == (200, "completed", "Hello!")


async def test_a_task_that_failed_has_ended_too(bob_api: ApiClient, agent: Agent, node: Node) -> None:
    answer = asyncio.create_task(submit(bob_api, wait=60))
    [task] = await until_submitted()
    await sync_to_async(lambda: end(start(task, node), TaskStatus.FAILED, error="no luck"))()
    status, run = await asyncio.wait_for(answer, 20)
    assert (status, run["status"], run["tasks"][0]["error"]) == (200, "failed", "no luck")


async def test_when_the_time_is_over_the_answer_is_202(bob_api: ApiClient, agent: Agent, node: Node) -> None:
    status, run = await asyncio.wait_for(submit(bob_api, wait=0.3), 20)
    assert (status, run["status"]) == (202, "pending")


async def test_it_waits_for_the_last_of_many(bob_api: ApiClient, agent: Agent, node: Node) -> None:
    body = {**BODY, "tasks": BODY["tasks"] * 2}
    answer = asyncio.create_task(submit(bob_api, wait=60, body=body))
    first, second = await until_submitted(2)
    await sync_to_async(lambda: end(start(first, node), output="1"))()
    done, _ = await asyncio.wait([answer], timeout=0.5)
    assert not done
    await sync_to_async(lambda: end(start(second, node), output="2"))()
    status, run = await asyncio.wait_for(answer, 20)
    assert (status, len(run["results"])) == (200, 2)


async def test_a_caller_who_leaves_ends_the_wait_and_keeps_the_task(
    bob_api: ApiClient, agent: Agent, node: Node
) -> None:
    answer = asyncio.create_task(submit(bob_api, wait=600))
    [task] = await until_submitted()
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(answer, 20)
    await task.arefresh_from_db()
    assert task.status == "pending"


async def test_many_who_wait_cost_few_threads(bob_api: ApiClient, agent: Agent, node: Node) -> None:
    before = threading.active_count()
    answers = [asyncio.create_task(submit(bob_api, wait=60)) for _ in range(40)]
    tasks = await until_submitted(40)
    assert threading.active_count() - before < 20
    await sync_to_async(lambda: [end(start(task, node), output="ok") for task in tasks])()
    finished = await asyncio.wait_for(asyncio.gather(*answers), 30)
    assert {status for status, _ in finished} == {200}


async def test_with_redis_away_a_submission_is_taken_and_quickly(
    redis_server: Any, bob_api: ApiClient, agent: Agent, node: Node
) -> None:
    redis_server.stop()
    began = time.monotonic()
    status, run = await submit(bob_api, wait=0)
    assert time.monotonic() - began < 5
    assert (status, run["status"]) == (202, "pending")
    assert await Task.objects.filter(pk=run["tasks"][0]["id"], status=TaskStatus.PENDING).aexists()

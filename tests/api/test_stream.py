"""``GET tasks/{id}/stream``: not a character lost or doubled, whatever Redis and the attempts do."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from orchestration import events
from orchestration.api.stream import Told, merged
from orchestration.models import Attempt, Node, Run, Task
from orchestration.policy.states import TaskStatus

from .conftest import ROOT, ApiClient, end, start

transactional = pytest.mark.django_db(transaction=True)
Line = dict[str, Any]


class Follower:
    """A client that reads one stream line by line."""

    def __init__(self, client: ApiClient) -> None:
        self._headers = client.headers
        self.lines: list[Line] = []
        self.response: Any = None

    async def open(self, task: Task) -> "Follower":
        self.response = await AsyncClient().get(f"{ROOT}tasks/{task.pk}/stream", headers=self._headers)
        assert self.response.streaming, self.response.content
        self._chunks: AsyncIterator[bytes] = aiter(self.response.streaming_content)
        return self

    async def next(self, kind: str = "") -> Line:
        """The next line, or the next of that type."""
        while True:
            chunk = await asyncio.wait_for(anext(self._chunks), 20)
            self.lines.append(json.loads(chunk))
            if not kind or self.lines[-1]["type"] == kind:
                return self.lines[-1]

    async def rest(self) -> Line:
        """Reads to the end; the last line."""
        async with asyncio.timeout(20):
            async for chunk in self._chunks:
                self.lines.append(json.loads(chunk))
        return self.lines[-1]

    def text(self, kind: str = "text") -> str:
        """What a client that follows the rules has; every offset must fit."""
        text = ""
        for line in self.lines:
            if line["type"] == "attempt":
                text = ""
            if line["type"] == kind and "status" not in line:
                assert line["offset"] == len(text)
                text += line["text"]
        return text


@pytest.fixture
def follow(bob_api: ApiClient) -> Callable[[Task], Any]:
    return Follower(bob_api).open


def write(attempt: Attempt, **frame: Any) -> None:
    events.connection().xadd(events.attempt_stream(attempt.pk), {"f": json.dumps(frame)})


def say(attempt: Attempt, *pieces: str, at: int = 0) -> None:
    """Frames one after the other, as a worker writes them."""
    for piece in pieces:
        write(attempt, o=at, t=piece, p="generating")
        at += len(piece)


finish = sync_to_async(end)
begin = sync_to_async(start)
told = sync_to_async(say)


@pytest.fixture
def task(submit: Callable[..., Run]) -> Task:
    return submit("Say hello.").tasks.get()


@pytest.fixture
def attempt(task: Task, node: Node) -> Attempt:
    return start(task, node)


@transactional
async def test_a_task_that_has_ended_is_told_in_two_lines(
    redis_server: Any, follow: Any, task: Task, attempt: Attempt
) -> None:
    await finish(attempt, output="Hello!")
    follower = await follow(task)
    last = await follower.rest()
    assert follower.response["Content-Type"] == "application/x-ndjson"
    assert [line["type"] for line in follower.lines] == ["text", "generate"]
    assert follower.lines[0] == {"type": "text", "offset": 0, "text": "Hello!"}
    assert (last["status"], last["output"], last["id"]) == ("completed", "Hello!", task.pk)


@transactional
async def test_what_was_written_so_far_comes_first_in_one_line(
    redis_server: Any, follow: Any, task: Task, attempt: Attempt
) -> None:
    await told(attempt, "Hel", "lo, ", "wor")
    follower = await follow(task)
    assert await follower.next() == {"type": "text", "offset": 0, "text": "Hello, wor"}
    await told(attempt, "ld!", at=10)
    assert await follower.next("text") == {"type": "text", "offset": 10, "text": "ld!"}
    await finish(attempt, output="Hello, world!")
    last = await follower.rest()
    assert follower.text() == last["output"] == "Hello, world!"


@transactional
async def test_text_follows_live_with_the_phases(redis_server: Any, follow: Any, task: Task, attempt: Attempt) -> None:
    follower = await follow(task)
    assert await follower.next() == {"type": "text", "offset": 0, "text": ""}
    await follower.next("state")
    await sync_to_async(write)(attempt, p="loading")
    assert (await follower.next("state"))["state"] == "loading"
    await told(attempt, "Hi")
    assert (await follower.next("state"))["state"] == "generating"
    assert (await follower.next("text"))["text"] == "Hi"
    await sync_to_async(write)(attempt, end="completed")
    await finish(attempt, output="Hi there")
    await follower.rest()
    assert follower.text() == "Hi there"


@transactional
async def test_thinking_and_tool_calls_have_lines_of_their_own(
    redis_server: Any, follow: Any, task: Task, attempt: Attempt
) -> None:
    follower = await follow(task)
    await follower.next("state")
    await sync_to_async(write)(attempt, ho=0, h="Hmm, ")
    await sync_to_async(write)(attempt, ho=5, h="a greeting.", o=0, t="Hello!")
    await sync_to_async(write)(attempt, c=[{"function": {"name": "wave", "arguments": {}}}])
    assert (await follower.next("tool_calls"))["tool_calls"][0]["function"]["name"] == "wave"
    await finish(attempt, output="Hello!", thinking="Hmm, a greeting.")
    await follower.rest()
    assert (follower.text("thinking"), follower.text()) == ("Hmm, a greeting.", "Hello!")


@transactional
async def test_a_task_that_waits_says_why_and_then_begins(
    redis_server: Any, follow: Any, task: Task, node: Node
) -> None:
    follower = await follow(task)
    assert (await follower.next())["text"] == ""
    state = await follower.next("state")
    assert (state["state"], state["waiting_reason"]) == ("waiting", "Waits for the scheduler")
    attempt = await begin(task, node)
    assert (await follower.next("attempt"))["number"] == 1
    assert (await follower.next("state"))["node"] == "gpu-a"
    await told(attempt, "Hello")
    assert (await follower.next("text"))["text"] == "Hello"
    await finish(attempt, output="Hello")
    await follower.rest()


@transactional
async def test_a_second_attempt_begins_anew(
    redis_server: Any, follow: Any, task: Task, attempt: Attempt, node: Node
) -> None:
    await told(attempt, "Hello from the first")
    follower = await follow(task)
    await follower.next()

    def lose_and_start_again() -> Attempt:
        Attempt.objects.filter(pk=attempt.pk).update(status="lost", ended_at=attempt.lease_until)
        write(attempt, end="lost")
        Task.objects.transition(task.pk, TaskStatus.PENDING, token="", node=None, node_name="")
        second = start(task, node, number=2)
        say(second, "Hello from the second")
        return second

    second = await sync_to_async(lose_and_start_again)()
    assert await follower.next("attempt") == {"type": "attempt", "attempt_id": second.pk, "number": 2}
    assert (await follower.next("text"))["offset"] == 0
    await finish(second, output="Hello from the second, done")
    await follower.rest()
    assert follower.text() == "Hello from the second, done"


@transactional
async def test_a_flushed_redis_loses_and_doubles_nothing(
    redis_server: Any, follow: Any, task: Task, attempt: Attempt
) -> None:
    await told(attempt, "Hello, ")
    follower = await follow(task)
    await follower.next()
    await follower.next("state")
    redis_server.flush()
    await told(attempt, "d!", at=11)
    await told(attempt, "Hello, world! ")
    assert (await follower.next("text"))["text"] == "world! "
    await told(attempt, "Bye.", at=14)
    assert (await follower.next("text"))["text"] == "Bye."
    await finish(attempt, output="Hello, world! Bye.")
    await follower.rest()
    assert follower.text() == "Hello, world! Bye."


@transactional
async def test_without_redis_the_stream_still_ends_with_the_whole_text(
    redis_server: Any, follow: Any, task: Task, attempt: Attempt
) -> None:
    redis_server.stop()
    follower = await follow(task)
    assert (await follower.next())["text"] == ""
    await follower.next("state")
    await finish(attempt, output="Hello!")
    last = await follower.rest()
    assert follower.text() == last["output"] == "Hello!"


@transactional
async def test_a_redis_that_goes_and_comes_back_is_followed_again(
    redis_server: Any, follow: Any, task: Task, attempt: Attempt
) -> None:
    await told(attempt, "Hello, ")
    follower = await follow(task)
    await follower.next()
    await follower.next("state")
    await sync_to_async(redis_server.stop)()
    await sync_to_async(redis_server.start)()
    await told(attempt, "Hello, world!")
    assert (await follower.next("text"))["text"] == "world!"
    await finish(attempt, output="Hello, world!")
    await follower.rest()


@transactional
async def test_a_cancelled_task_ends_its_stream(redis_server: Any, follow: Any, task: Task, bob_api: ApiClient) -> None:
    follower = await follow(task)
    await follower.next("state")
    await sync_to_async(bob_api.post)(f"tasks/{task.pk}/cancel")
    assert (await follower.rest())["status"] == "cancelled"


@transactional
async def test_a_failed_task_ends_with_its_error_and_what_it_said(
    redis_server: Any, follow: Any, task: Task, attempt: Attempt
) -> None:
    await told(attempt, "Half a")
    follower = await follow(task)
    await follower.next("state")
    await finish(attempt, TaskStatus.FAILED, output="Half a sentence", error="The stream broke.")
    last = await follower.rest()
    assert (last["status"], last["error"]) == ("failed", "The stream broke.")
    assert follower.text() == "Half a sentence"


@transactional
async def test_an_answer_that_was_replaced_begins_anew(
    redis_server: Any, follow: Any, task: Task, attempt: Attempt
) -> None:
    """It was asked for once more, or an extension of its agent has changed it."""
    await told(attempt, "I think ", "Ulm.")
    follower = await follow(task)
    await follower.next("text")
    await finish(attempt, output='{"name": "Ulm, on the Danube"}')
    last = await follower.rest()
    assert follower.text() == last["output"] == '{"name": "Ulm, on the Danube"}'


@transactional
async def test_a_task_deleted_meanwhile_ends_the_stream(redis_server: Any, follow: Any, task: Task) -> None:
    follower = await follow(task)
    await follower.next("state")
    await sync_to_async(Task.objects.filter(pk=task.pk).delete)()
    assert "status" not in await follower.rest()


def test_a_frame_that_overlaps_adds_only_its_rest() -> None:
    told = Told()
    list(told.lines({"o": 0, "t": "Hello"}))
    assert list(told.lines({"o": 0, "t": "Hello, you"})) == [{"type": "text", "offset": 5, "text": ", you"}]
    assert list(told.lines({"o": 3, "t": "lo"})) == []
    assert not told.gap


def test_a_frame_beyond_what_is_known_is_a_gap_and_adds_nothing() -> None:
    told = Told()
    assert list(told.lines({"o": 4, "t": "late"})) == []
    assert told.gap


def test_offsets_count_characters_and_not_bytes() -> None:
    told = Told()
    list(told.lines({"o": 0, "t": "\N{OX}ü"}))
    assert list(told.lines({"o": 2, "t": "!"})) == [{"type": "text", "offset": 2, "text": "!"}]


def test_many_pieces_become_one_line_of_each_kind() -> None:
    told = Told()
    frames = [{"o": 0, "t": "a", "ho": 0, "h": "x"}, {"o": 1, "t": "b", "c": [1]}, {"ho": 1, "h": "y", "c": [1, 2]}]
    assert merged([line for frame in frames for line in told.lines(frame)]) == [
        {"type": "text", "offset": 0, "text": "ab"},
        {"type": "thinking", "offset": 0, "text": "xy"},
        {"type": "tool_calls", "tool_calls": [1, 2]},
    ]

"""The text of one task: complete, in order, equal to the stored output, whatever happens on the way."""

import random

import pytest

from dashboard.live.reads import read
from orchestration.models import Task
from orchestration.services import setbacks, tasks

pytestmark = pytest.mark.django_db(transaction=True)

POEM = "Über allen Gipfeln 🏔️ ist Ruh’, in allen Wipfeln 🌲🌲 spürest du kaum einen Hauch. 𝔊𝔬𝔢𝔱𝔥𝔢 " * 5


def topic_of(task):
    return f"task:{task.pk}"


async def stored(task):
    return await read(lambda: Task.objects.get(pk=task.pk).output)


async def test_a_waiting_task_begins_without_text_and_with_its_reason(open_tab, submitted_task):
    snap = await (await open_tab()).subscribe(topic_of(submitted_task))
    assert snap["task"]["input"] == "Say hello."
    assert snap["task"]["waiting_reason"]
    assert snap["text"]["text"] == ""
    assert snap["text"]["ended"] is None


async def test_a_task_is_followed_from_waiting_to_its_end(open_tab, submitted_task, work_on):
    tab, topic = await open_tab(), topic_of(submitted_task)
    await tab.subscribe(topic)
    worker = await work_on(submitted_task)
    await tab.until(lambda tab: tab.attempt == worker.attempt_id)
    worker.say("Hel", thinking="hm")
    await tab.until(lambda tab: tab.text == "Hel")
    worker.say("lo")
    await read(worker.complete)
    (end,) = await tab.until(lambda tab: tab.deltas(topic, "end"))
    assert end == {"status": "completed", "attempt": worker.attempt_id, "length": {"text": 5, "thinking": 2}}
    assert (tab.text, tab.thinking) == ("Hello", "hm")
    assert [row["status"] for row in tab.deltas(topic, "row")][-1] == "completed"
    assert tab.deltas(topic, "task")[-1]["attempt_list"][0]["status"] == "completed"


async def test_who_comes_in_the_middle_gets_what_was_written_and_then_the_rest(open_tab, submitted_task, work_on):
    worker = await work_on(submitted_task)
    worker.say("Hel")
    worker.say("lo")
    tab = await open_tab()
    snap = await tab.subscribe(topic_of(submitted_task))
    assert snap["text"]["text"] == "Hello"
    worker.say(" world")
    await tab.until(lambda tab: tab.text == "Hello world")


async def test_who_comes_after_the_end_gets_the_stored_output(open_tab, submitted_task, work_on):
    worker = await work_on(submitted_task)
    worker.say("Hello")
    await read(worker.complete)
    snap = await (await open_tab()).subscribe(topic_of(submitted_task))
    assert (snap["text"]["text"], snap["text"]["ended"]) == ("Hello", "completed")
    assert snap["task"]["output"] is None


async def test_another_attempt_starts_the_text_anew(open_tab, submitted_task, work_on):
    first = await work_on(submitted_task)
    tab = await open_tab()
    await tab.subscribe(topic_of(submitted_task))
    first.say("half of")
    await tab.until(lambda tab: tab.text == "half of")
    await read(setbacks.give_back, attempt_id=first.attempt_id, token=first.token, reason="stopping")
    second = await work_on(submitted_task)
    await tab.until(lambda tab: tab.attempt == second.attempt_id)
    second.say("whole")
    await read(second.complete)
    await tab.until(lambda tab: tab.deltas(topic_of(submitted_task), "end"))
    assert tab.text == "whole"


async def test_a_retry_after_the_end_is_followed(open_tab, submitted_task, work_on, as_bob):
    await read(tasks.cancel, actor=as_bob, task_id=submitted_task.pk)
    tab = await open_tab()
    await tab.subscribe(topic_of(submitted_task))
    await read(tasks.retry, actor=as_bob, task_id=submitted_task.pk)
    worker = await work_on(submitted_task)
    worker.say("again")
    await tab.until(lambda tab: tab.text == "again")


async def test_an_output_that_differs_from_the_stream_is_mended_by_a_snapshot(open_tab, submitted_task, work_on):
    worker = await work_on(submitted_task)
    tab = await open_tab()
    await tab.subscribe(topic_of(submitted_task))
    worker.say("as streamed")
    await tab.until(lambda tab: tab.text)
    await read(worker.complete, "as stored!!")
    await tab.until(lambda tab: tab.text == "as stored!!")
    assert tab.snaps[topic_of(submitted_task)]["text"]["ended"] == "completed"


async def test_an_end_whose_event_was_lost_is_noticed_by_the_text(open_tab, submitted_task, work_on):
    worker = await work_on(submitted_task)
    tab = await open_tab()
    await tab.subscribe(topic_of(submitted_task))
    worker.say("done")

    def complete_silently():
        worker.write({"end": "completed"})
        Task.objects.filter(pk=submitted_task.pk).update(status="completed", output="done", token="")

    await read(complete_silently)
    await tab.until(lambda tab: tab.deltas(topic_of(submitted_task), "end"))
    assert tab.text == "done"


@pytest.mark.parametrize("seed", range(6))
async def test_the_final_text_is_the_stored_output_whatever_is_reloaded_when(
    open_tab, submitted_task, work_on, redis_server, seed
):
    """Pieces of any length, repeated frames, an emptied Redis, and tabs that come, hide and subscribe at any time."""
    dice = random.Random(seed)
    worker = await work_on(submitted_task)
    topic = topic_of(submitted_task)
    tabs = [await open_tab()]
    await tabs[0].subscribe(topic)
    rest = POEM
    while rest:
        size = dice.randint(1, 40)
        worker.say(rest[:size])
        rest = rest[size:]
        match dice.randint(0, 9):
            case 0:
                worker.say_all_again()
            case 1 if len(tabs) < 5:
                tabs.append(await open_tab())
                await tabs[-1].say(type="sub", topic=topic)
            case 2:
                await dice.choice(tabs).say(type="sub", topic=topic)
            case 3:
                hidden = dice.choice(tabs)
                await hidden.say(type="pause")
                await hidden.say(type="resume")
            case 4:
                redis_server.flush()
                worker.say_all_again()
    await read(worker.complete)
    assert await stored(submitted_task) == POEM
    for tab in tabs:
        await tab.until(lambda tab: tab.text == POEM)


async def test_an_embedding_keeps_its_vectors(open_tab, submit, work_on):
    task = await read(lambda: submit("text", type="embed").tasks.get())
    await read(
        lambda: Task.objects.filter(pk=task.pk).update(status="completed", vectors=[[0.5, 1.0]], output="", version=9)
    )
    snap = await (await open_tab()).subscribe(topic_of(task))
    assert snap["task"]["output"] == [[0.5, 1.0]]

"""A closed connection is noticed in every state, promptly and with the right effect."""

import asyncio

import pytest

from tests.ollama.simulator.calling import leave, quick, serving


async def seen(caller, phase):
    return await caller.until(lambda state: state["counts"]["disconnects"][phase] == 1)


async def test_leaving_during_a_load_is_noticed_and_stops_it(caller):
    caller.node.configure(speed=1e-4)
    task = caller.background()
    await caller.until(lambda state: state["phases"]["load"])
    await leave(task)
    state = await seen(caller, "load")
    assert state["loading"] is None or state["counts"]["aborted_loads"] == 1


async def test_leaving_while_queued_for_a_load_is_noticed(caller):
    caller.node.configure(speed=1e-4)
    loading = caller.background()
    await caller.until(lambda state: state["phases"]["load"])
    task = caller.background("llama2")
    await caller.until(lambda state: state["phases"]["queued"])
    await leave(task)
    await seen(caller, "queued")
    await leave(loading)


async def test_leaving_the_line_for_a_slot_is_noticed_at_once(caller):
    caller.node.add_fault("stall", count=1)
    busy = caller.background()
    await caller.until(lambda state: state["phases"]["decode"])
    task = caller.background()
    await caller.until(lambda state: state["models"]["llama3.2:latest"]["waiting"])
    await leave(task)
    state = await seen(caller, "slot")
    assert state["models"]["llama3.2:latest"]["waiting"] == 0
    await leave(busy)


@pytest.mark.parametrize("streams", [True, False])
async def test_leaving_during_the_prompt_frees_the_slot_and_keeps_the_model(caller, streams):
    await caller.generate()
    caller.node.configure(speed=0.01)
    task = caller.background(prompt="long " * 2000, stream=streams)
    await caller.until(lambda state: state["phases"]["prefill"])
    await leave(task)
    await seen(caller, "prefill")
    state = await caller.until(lambda state: not state["models"]["llama3.2:latest"]["references"])
    assert state["models"]["llama3.2:latest"]["running"] == 0


@pytest.mark.parametrize("streams", [True, False])
async def test_leaving_during_the_answer_frees_the_slot_and_keeps_the_model(caller, streams):
    await caller.generate()
    caller.node.configure(speed=0.2)
    task = caller.background(prompt="x", stream=streams, options={"num_predict": 5000})
    await caller.until(lambda state: state["phases"]["decode"])
    await leave(task)
    state = await seen(caller, "decode")
    assert state["disconnects"][-1]["phase"] == "decode"
    await caller.until(lambda state: not state["models"]["llama3.2:latest"]["references"])


async def test_requests_are_logged_with_their_times_and_outcome(caller):
    await caller.generate(options={"num_ctx": 1024, "seed": 3})
    await caller.generate("absent")
    good, bad = caller.node.state()["requests"]
    assert (good["model"], good["options"], good["num_ctx"]) == ("llama3.2", {"num_ctx": 1024, "seed": 3}, 1024)
    assert good["started"] <= good["first_byte"] <= good["ended"]
    assert (good["outcome"], good["status"], bad["outcome"], bad["status"]) == ("ok", 200, "refused", 404)


async def test_many_streams_leave_at_once_and_nothing_stays_behind():
    async with serving(quick(slots=4, speed=2.0)) as caller:
        caller.node.configure(speed=200)
        await caller.generate()
        caller.node.configure(speed=1.0)
        tasks = [caller.background(stream=True, options={"num_predict": 9000}) for _ in range(40)]
        await caller.until(lambda state: state["models"]["llama3.2:latest"]["references"] == 40)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        state = await caller.until(lambda state: not state["models"]["llama3.2:latest"]["references"])
        assert state["models"]["llama3.2:latest"]["running"] == 0
        assert sum(state["counts"]["disconnects"].values()) == 40

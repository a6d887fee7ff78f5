"""Slots of a loaded model, and what ``ps`` tells about it."""

import asyncio
from datetime import datetime

from orchestration.ollama.simulator.runner import Slot
from tests.ollama.simulator.calling import leave, quick, serving, until


async def held(caller, count=1, model="llama3.2"):
    """Calls that occupy slots until they leave."""
    caller.node.add_fault("stall", model=model, count=count)
    before = caller.node.state()["phases"]["decode"]
    tasks = [caller.background(model) for _ in range(count)]
    await caller.until(lambda state: state["phases"]["decode"] == before + count)
    return tasks


async def test_waiters_for_a_slot_are_served_in_order_of_arrival(caller):
    (busy,) = await held(caller)
    finished = []
    tasks = []
    for number in range(4):
        task = caller.background(prompt=f"echo: {number}")
        task.add_done_callback(lambda done: finished.append(done.result()[1]["response"]))
        tasks.append(task)
        await caller.until(lambda state, waiting=number + 1: state["models"]["llama3.2:latest"]["waiting"] == waiting)
    await leave(busy)
    await asyncio.gather(*tasks)
    assert finished == ["0", "1", "2", "3"]


async def test_as_many_requests_run_as_there_are_slots():
    async with serving(quick(slots=3)) as caller:
        tasks = await held(caller, 3)
        waiting = caller.background()
        state = await caller.until(lambda state: state["models"]["llama3.2:latest"]["waiting"])
        assert state["models"]["llama3.2:latest"]["running"] == 3
        for task in tasks:
            await leave(task)
        assert (await waiting)[0] == 200


async def test_embedding_models_have_one_slot_whatever_is_configured():
    async with serving(quick(slots=4)) as caller:
        await caller.post("/api/embed", model="nomic-embed-text", input="x")
        await caller.generate()
        models = caller.node.state()["models"]
        assert (models["nomic-embed-text:latest"]["slots"], models["llama3.2:latest"]["slots"]) == (1, 4)


async def test_waiting_for_a_slot_is_in_no_duration_but_the_total(caller):
    (busy,) = await held(caller)
    waiting = caller.background(prompt="echo: hi")
    await caller.until(lambda state: state["phases"]["slot"])
    started = asyncio.get_running_loop().time()
    await until(lambda: asyncio.get_running_loop().time() - started > 0.3)
    await leave(busy)
    _, body = await waiting
    elsewhere = sum(body[name] for name in ("load_duration", "prompt_eval_duration", "eval_duration"))
    assert body["total_duration"] - elsewhere >= 0.25e9


def expiry(entry) -> datetime:
    return datetime.fromisoformat(entry["expires_at"])


async def test_expiry_slides_during_the_very_first_request_and_is_frozen_during_later_ones(caller):
    (busy,) = await held(caller)
    first, second = expiry((await caller.ps())[0]), expiry((await caller.ps())[0])
    assert second > first
    await leave(busy)
    await caller.until(lambda state: not state["models"]["llama3.2:latest"]["references"])
    (busy,) = await held(caller)
    first, second = expiry((await caller.ps())[0]), expiry((await caller.ps())[0])
    assert second == first
    await leave(busy)


async def test_asking_a_busy_model_to_leave_puts_its_expiry_into_the_past(caller):
    (busy,) = await held(caller)
    await caller.post("/api/generate", model="llama3.2", keep_alive=0)
    entry = (await caller.ps())[0]
    assert expiry(entry) <= datetime.now(expiry(entry).tzinfo)
    await leave(busy)


async def test_a_model_pinned_for_ever_expires_in_another_century(caller):
    await caller.generate(keep_alive=-1)
    assert expiry((await caller.ps())[0]).year > 2300


async def test_the_latest_expiry_is_listed_first(caller):
    await caller.generate("llama3.2", keep_alive="1h")
    await caller.generate("llama2", keep_alive="2h")
    assert [entry["name"] for entry in await caller.ps()] == ["llama2:latest", "llama3.2:latest"]


async def test_a_loading_model_is_listed_by_old_servers_only(caller):
    for version, listed in (("0.33.0", []), ("0.24.0", ["llama3.2:latest"])):
        caller.node.configure(version=version, speed=1e-4)
        loading = caller.background()
        await caller.until(lambda state: state["loading"])
        assert [entry["name"] for entry in await caller.ps()] == listed
        await leave(loading)
        await caller.until(lambda state: not state["loading"])


async def test_context_length_came_with_a_later_version(caller):
    await caller.generate()
    assert (await caller.ps())[0]["context_length"] == 4096
    caller.node.configure(version="0.9.6")
    assert "context_length" not in (await caller.ps())[0]


async def test_without_a_gpu_nothing_is_in_video_memory(caller):
    await caller.generate(options={"num_gpu": 0})
    assert (await caller.ps())[0]["size_vram"] == 0


def test_a_slot_knows_how_much_of_a_prompt_it_has_read():
    assert Slot("one two three").shared_with("one two four") == 8
    assert Slot("").shared_with("x") == 0
    assert Slot("same").shared_with("same") == 4

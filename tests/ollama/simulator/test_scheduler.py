"""The load queue: what reloads, what is evicted, who waits, who is refused."""

import asyncio

import pytest

from orchestration.ollama.simulator import ModelSpec
from orchestration.ollama.simulator.options import runner_options
from orchestration.ollama.simulator.scheduler import Demand
from tests.ollama.simulator.calling import leave, quick, serving, until

NEVER = 1e-4


def three_of_equal_size(vram_gb: float) -> dict:
    specs = tuple(ModelSpec(name, 4_000_000_000, "llama", "7B", context=4096) for name in ("a", "b", "c"))
    return {"models": specs, "vram_gb": vram_gb, "context_length": 512}


async def loaded(caller) -> list[str]:
    return sorted(caller.node.state()["models"])


async def test_a_matching_request_uses_the_loaded_runner(caller):
    for _ in range(3):
        assert (await caller.generate())[0] == 200
    assert caller.node.state()["counts"]["loads_total"] == 1


async def test_every_change_of_num_ctx_is_a_reload(caller):
    for num_ctx in (2048, 4096, 2048):
        await caller.generate(options={"num_ctx": num_ctx})
    assert caller.node.state()["counts"]["loads"] == {"llama3.2:latest": 3}
    await caller.generate()
    assert caller.node.state()["counts"]["loads_total"] == 4


async def test_num_ctx_is_clamped_to_the_training_context_before_it_is_compared(caller):
    await caller.generate("llama2", options={"num_ctx": 4096})
    await caller.generate("llama2", options={"num_ctx": 9000})
    await caller.generate("llama2", options={"num_ctx": 100_000})
    assert caller.node.state()["counts"]["loads_total"] == 1
    assert (await caller.ps())[0]["context_length"] == 4096


async def test_older_servers_compare_what_was_asked_for():
    async with serving(quick(version="0.24.0")) as caller:
        await caller.generate("llama2", options={"num_ctx": 9000})
        await caller.generate("llama2", options={"num_ctx": 8000})
        assert caller.node.state()["counts"]["loads_total"] == 2


@pytest.mark.parametrize(
    ("first", "second", "loads"),
    [
        ({"options": {"num_batch": 128}}, {}, 2),
        ({"options": {"num_batch": 512}}, {}, 1),
        ({"options": {"num_gpu": 0}}, {}, 1),
        ({}, {"options": {"num_gpu": 0}}, 2),
        ({}, {"options": {"use_mmap": False}}, 2),
        ({"options": {"use_mmap": False}}, {}, 1),
        ({}, {"options": {"num_thread": 4}}, 2),
        ({}, {"shift": False}, 2),
        ({}, {"options": {"temperature": 0, "seed": 1, "num_predict": 3}}, 1),
    ],
)
async def test_only_runner_options_force_a_reload(caller, first, second, loads):
    await caller.generate(**first)
    await caller.generate(**second)
    assert caller.node.state()["counts"]["loads_total"] == loads


async def test_names_that_share_weights_share_a_runner_that_keeps_its_first_name(caller):
    await caller.post("/api/copy", source="llama3.2", destination="twin")
    await caller.generate("twin")
    await caller.generate("llama3.2")
    assert caller.node.state()["counts"]["loads_total"] == 1
    assert [model["name"] for model in await caller.ps()] == ["twin:latest"]


async def test_the_idle_runner_with_the_smallest_keep_alive_goes_first_not_the_least_recently_used():
    async with serving(quick(**three_of_equal_size(12))) as caller:
        await caller.generate("a", keep_alive="2h")
        await caller.generate("b", keep_alive="1h")
        await caller.generate("a")
        await caller.generate("b")
        await caller.generate("c", keep_alive="3h")
        assert await loaded(caller) == ["a:latest", "c:latest"]


async def test_a_second_model_must_fit_into_four_fifths_of_what_is_free():
    async with serving(quick(**three_of_equal_size(8.5))) as caller:
        await caller.generate("a")
        await caller.generate("b")
        assert await loaded(caller) == ["b:latest"]
        caller.node.configure(vram_gb=11)
        await caller.generate("a")
        assert await loaded(caller) == ["a:latest", "b:latest"]


async def test_the_number_of_loaded_models_is_bounded():
    async with serving(quick(**three_of_equal_size(100), max_loaded_models=2)) as caller:
        for name in "abc":
            await caller.generate(name)
        assert len(await loaded(caller)) == 2


async def test_a_busy_victim_is_waited_for_and_blocks_everyone_else_who_needs_a_load():
    async with serving(quick(**three_of_equal_size(8.5))) as caller:
        caller.node.add_fault("stall", model="a", count=1)
        busy = caller.background("a")
        await caller.until(lambda state: state["phases"]["decode"])
        waiting = [caller.background("b"), caller.background("c")]
        await caller.until(lambda state: state["phases"]["queued"] == 2)
        await leave(busy)
        for task in waiting:
            assert (await task)[0] == 200
        assert await loaded(caller) == ["c:latest"]


async def test_a_marked_but_busy_runner_still_takes_matching_requests():
    async with serving(quick(**three_of_equal_size(8.5), slots=2)) as caller:
        caller.node.add_fault("stall", model="a", count=1)
        busy = caller.background("a")
        await caller.until(lambda state: state["phases"]["decode"])
        waiting = caller.background("b")
        await caller.until(lambda state: state["phases"]["queued"])
        assert (await caller.generate("a"))[0] == 200
        assert not waiting.done()
        await leave(busy)
        assert (await waiting)[0] == 200


async def test_a_full_load_queue_refuses_but_loaded_models_never_do():
    async with serving(quick(max_queue=2)) as caller:
        await caller.generate("llama2")
        caller.node.configure(speed=NEVER)
        loading = caller.background("llama3.2")
        await caller.until(lambda state: state["loading"] == "llama3.2:latest")
        queued = [caller.background("codellama") for _ in range(2)]
        await caller.until(lambda state: state["load_queue_length"] == 2)
        status, body = await caller.generate("qwen3:8b")
        assert (status, body["error"]) == (503, "server busy, please try again.  maximum pending requests exceeded")
        caller.node.configure(speed=200)
        assert (await caller.generate("llama2"))[0] == 200
        await leave(loading)
        assert [(await task)[0] for task in queued] == [200, 200]


async def test_a_request_that_left_the_queue_keeps_its_place_until_its_turn():
    async with serving(quick(max_queue=1)) as caller:
        caller.node.configure(speed=NEVER)
        loading = caller.background("llama3.2")
        await caller.until(lambda state: state["loading"])
        gone = caller.background("codellama")
        await caller.until(lambda state: state["load_queue_length"] == 1)
        await leave(gone)
        await caller.until(lambda state: state["counts"]["disconnects"]["queued"] == 1)
        assert (await caller.generate("qwen3:8b"))[0] == 503
        await leave(loading)
        await caller.until(lambda state: state["load_queue_length"] == 0)
        assert "codellama:latest" not in caller.node.state()["counts"]["loads"]


async def test_who_triggered_a_load_takes_it_along_and_the_next_starts_again(caller):
    caller.node.configure(speed=NEVER)
    first = caller.background("llama3.2")
    await caller.until(lambda state: state["loading"])
    second = caller.background("llama3.2")
    await caller.until(lambda state: state["load_queue_length"] == 1)
    caller.node.configure(speed=200)
    await leave(first)
    assert (await second)[0] == 200
    counts = caller.node.state()["counts"]
    assert (counts["aborted_loads"], counts["loads"]) == (1, {"llama3.2:latest": 2})


async def test_the_keep_alive_timer_unloads_an_idle_model(caller):
    await caller.generate(keep_alive="50ms")
    await until(lambda: not caller.node.state()["models"])
    assert caller.node.state()["counts"]["unloads"] == 1


async def test_keep_alive_zero_unloads_right_after_the_request(caller):
    await caller.generate(keep_alive=0)
    assert await caller.ps() == []


async def test_a_request_without_keep_alive_does_not_reset_the_value(caller):
    await caller.generate(keep_alive=-1)
    await caller.generate()
    assert caller.node.state()["models"]["llama3.2:latest"]["keep_alive"] is None


async def test_the_unload_idiom_returns_at_once_and_works_when_the_runner_falls_idle(caller):
    caller.node.add_fault("stall", count=1)
    busy = caller.background()
    await caller.until(lambda state: state["phases"]["decode"])
    status, body = await caller.post("/api/generate", model="llama3.2", keep_alive=0)
    assert (status, body["done_reason"], body["response"]) == (200, "unload", "")
    assert await loaded(caller) == ["llama3.2:latest"]
    await leave(busy)
    await until(lambda: not caller.node.state()["models"])


async def test_the_load_idiom_answers_with_one_object_and_no_metrics(caller):
    async with caller.session.post(caller.node.url + "/api/chat", json={"model": "llama3.2"}) as response:
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        body = await response.json()
    del body["created_at"]
    assert body == {
        "model": "llama3.2",
        "message": {"role": "assistant", "content": ""},
        "done": True,
        "done_reason": "load",
    }
    assert await loaded(caller) == ["llama3.2:latest"]


async def test_a_model_larger_than_all_memory_cannot_be_loaded():
    async with serving(quick(vram_gb=1, ram_gb=1)) as caller:
        status, body = await caller.generate("qwen3:8b")
        assert status == 500
        assert body["error"].startswith("llama-server reported out-of-memory during startup")


async def test_a_model_that_spills_out_of_video_memory_shows_it():
    async with serving(quick(vram_gb=4)) as caller:
        await caller.generate("qwen3:8b")
        entry = (await caller.ps())[0]
        assert 0 < entry["size_vram"] < entry["size"]


async def test_the_queue_survives_requests_that_leave_at_the_moment_they_are_served(caller):
    node = caller.node
    node.configure(speed=1e6)
    record = node.journal.open("/test")

    async def hold(name):
        model = node.registry.find(name)
        options = runner_options({}, model.spec, node.spec, shift=True)
        async with node.scheduler.lease(Demand(model, options, 0.0), record):
            pass

    for turns in range(60):
        task = asyncio.create_task(hold("llama2" if turns % 2 else "llama3.2"))
        for _ in range(turns % 30):
            await asyncio.sleep(0)
        await leave(task)
    node.configure(speed=200)
    assert (await caller.generate())[0] == 200
    assert caller.node.state()["models"]["llama3.2:latest"]["references"] == 0


async def test_two_waiters_for_the_same_cold_model_cost_one_load(caller):
    answers = await asyncio.gather(*(caller.generate() for _ in range(5)))
    assert [status for status, _ in answers] == [200] * 5
    assert caller.node.state()["counts"]["loads_total"] == 1

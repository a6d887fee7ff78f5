"""Every fault switch does what its name says, as often as it was told, to whom it was told."""

import asyncio
import json

import aiohttp
import pytest

from orchestration.ollama.simulator import Fault
from tests.ollama.simulator.calling import leave, until


async def stream(caller, prompt="echo: a b c d e f", **body):
    return await caller.lines("/api/generate", model="llama3.2", prompt=prompt, **body)


async def test_a_count_is_used_up_and_a_model_filter_is_kept(caller):
    caller.node.add_fault("busy", model="llama2", count=2)
    assert (await caller.generate("llama3.2"))[0] == 200
    assert [(await caller.generate("llama2"))[0] for _ in range(3)] == [503, 503, 200]
    assert caller.node.faults.struck == {"busy": 2}


async def test_a_probability_of_zero_never_strikes(caller):
    caller.node.add_fault("busy", probability=0.0)
    assert (await caller.generate())[0] == 200


@pytest.mark.parametrize(("kind", "status"), [("busy", 503), ("not_found", 404), ("server_error", 500)])
async def test_refusals_on_demand(caller, kind, status):
    caller.node.add_fault(kind, count=1, message="as ordered")
    assert await caller.generate() == (status, {"error": "as ordered"})
    assert (await caller.generate())[0] == 200


async def test_faults_without_a_path_leave_the_lists_alone(caller):
    caller.node.add_fault("busy")
    assert (await caller.call("GET", "/api/tags"))[0] == 200
    caller.node.add_fault("busy", path="/api/tags")
    assert (await caller.call("GET", "/api/tags"))[0] == 503


async def test_a_load_can_fail(caller):
    caller.node.add_fault("load_error", count=1)
    status, body = await caller.generate()
    assert status == 500
    assert body["error"].startswith("llama-server process has terminated: exit status 1")
    assert (await caller.generate())[0] == 200


async def test_an_error_line_ends_a_stream_after_the_given_number_of_tokens(caller):
    caller.node.add_fault("error_line", after_tokens=2, count=1)
    lines = await stream(caller)
    assert [json.loads(line).get("done") for line in lines] == [False, False, None]
    assert json.loads(lines[-1]) == {"error": "an error was encountered while running the model: unexpected EOF"}


async def test_an_error_before_the_first_token_is_an_http_error(caller):
    caller.node.add_fault("error_line", count=1)
    async with caller.session.post(
        caller.node.url + "/api/generate", json={"model": "llama3.2", "prompt": "x"}
    ) as response:
        assert (response.status, response.headers["Content-Type"]) == (500, "application/json")


async def test_a_stream_can_end_without_a_last_object(caller):
    caller.node.add_fault("truncate", after_tokens=3, count=2)
    assert [json.loads(line)["done"] for line in await stream(caller)] == [False] * 3
    status, body = await caller.generate(prompt="echo: a b c d")
    assert (status, body["done"]) == (200, False)


async def test_a_stream_can_fall_silent_and_keep_its_slot(caller):
    caller.node.add_fault("stall", after_tokens=1, count=1)
    task = asyncio.create_task(stream(caller))
    await caller.until(lambda state: state["requests"] and state["requests"][-1]["outcome"] == "fault:stall")
    assert caller.node.state()["models"]["llama3.2:latest"]["running"] == 1
    await leave(task)
    await caller.until(lambda state: state["models"]["llama3.2:latest"]["running"] == 0)


async def test_a_short_stall_goes_on_afterwards(caller):
    caller.node.add_fault("stall", after_tokens=1, seconds=0.05, count=1)
    assert json.loads((await stream(caller))[-1])["done"] is True


async def test_the_first_byte_can_be_slow(caller):
    caller.node.add_fault("slow_first_byte", seconds=0.3, count=1)
    started = asyncio.get_running_loop().time()
    assert (await caller.generate())[0] == 200
    assert asyncio.get_running_loop().time() - started >= 0.3


async def test_a_line_can_be_garbage_and_the_stream_goes_on(caller):
    caller.node.add_fault("garbage", after_tokens=2, count=1)
    lines = await stream(caller)
    with pytest.raises(ValueError, match="utf-8"):
        json.loads(lines[2])
    assert json.loads(lines[-1])["done"] is True


async def test_an_answer_can_be_html(caller):
    caller.node.add_fault("html", count=1)
    status, body = await caller.generate()
    assert (status, body[:6]) == (200, "<html>")


async def test_an_answer_can_be_whatever_the_fault_says(caller):
    caller.node.add_fault("body", message='{"models": 7}', count=1)
    assert await caller.generate() == (200, {"models": 7})


@pytest.mark.parametrize(("kind", "after"), [("reset", 0), ("drop", 3)])
async def test_connections_can_be_reset_before_or_in_the_middle(caller, kind, after):
    await caller.generate()
    caller.node.add_fault(kind, after_tokens=after, count=1)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await stream(caller)
    state = await caller.until(lambda state: state["counts"]["outcomes"].get(f"fault:{kind}"))
    assert sum(state["counts"]["disconnects"].values()) == 0


async def test_a_crashed_runner_fails_all_its_requests_and_is_loaded_again(caller):
    caller.node.configure(slots=2)
    await caller.generate()
    caller.node.configure(speed=1.0)
    other = caller.background(options={"num_predict": 5000})
    await caller.until(lambda state: state["phases"]["decode"])
    caller.node.add_fault("runner_crash", after_tokens=1, count=1)
    status, body = await caller.generate(prompt="echo: a b c")
    assert (status, body["error"][:43]) == (500, "model runner has unexpectedly stopped, this")
    assert (await other)[0] == 500
    caller.node.configure(speed=200)
    assert (await caller.generate())[0] == 200
    assert caller.node.state()["counts"]["loads_total"] == 2


@pytest.mark.parametrize("path", ["/api/ps", "/api/tags", "/api/version"])
async def test_the_lists_can_freeze_and_thaw(caller, path):
    fault = caller.node.add_fault("freeze")
    task = asyncio.create_task(caller.call("GET", path))
    await until(lambda: caller.node.faults.struck.get("freeze"))
    assert (await caller.generate())[0] == 200
    assert not task.done()
    caller.node.faults.remove(fault)
    assert (await task)[0] == 200


async def refused(caller) -> bool:
    try:
        await caller.call("GET", "/api/version")
    except aiohttp.ClientConnectorError:
        return True
    return False


async def test_connections_can_be_refused_while_running_streams_go_on(caller):
    await caller.generate()
    caller.node.configure(speed=1.0)
    task = caller.background(options={"num_predict": 100})
    await caller.until(lambda state: state["phases"]["decode"])
    caller.node.add_fault("refuse")
    await caller.until(lambda state: not state["listening"])
    assert await refused(caller)
    caller.node.configure(speed=200)
    assert (await task)[0] == 200
    await caller.node.revive()
    assert not await refused(caller)


async def test_a_dead_node_drops_everything_and_comes_back_empty(caller):
    await caller.generate()
    caller.node.add_fault("stall", count=1)
    task = caller.background()
    await caller.until(lambda state: state["phases"]["decode"])
    port = caller.node.port
    caller.node.add_fault("die")
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await task
    state = await caller.until(lambda state: state["dead"])
    assert await refused(caller)
    assert state["models"] == {}
    await caller.node.revive()
    assert caller.node.port == port
    assert (await caller.generate())[0] == 200


async def test_network_faults_can_end_by_themselves(caller):
    caller.node.add_fault("die", seconds=0.05)
    await caller.until(lambda state: state["dead"])
    await caller.until(lambda state: state["listening"])
    assert (await caller.generate())[0] == 200


def test_an_unknown_fault_or_setting_is_named():
    with pytest.raises(ValueError, match="no fault called 'nonsense'"):
        Fault("nonsense")
    with pytest.raises(ValueError, match="a fault has no when"):
        Fault.from_dict({"kind": "stall", "when": "now"})

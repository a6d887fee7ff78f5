"""Pulling: progress, sharing, resuming, and what can go wrong."""

import asyncio
import json

from tests.ollama.simulator.calling import leave, quick, serving, until

MODEL = "qwen3:4b"


async def pull(caller, **body):
    return [json.loads(line) for line in await caller.lines("/api/pull", model=MODEL, **body)]


async def test_layers_come_one_after_the_other_and_known_ones_in_one_line(caller):
    steps = await pull(caller)
    assert [steps[0]["status"], *(step["status"] for step in steps[-3:])] == [
        "pulling manifest",
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    again = [step for step in await pull(caller) if "digest" in step]
    assert len(again) == len({step["digest"] for step in again})
    assert all(step["completed"] == step["total"] for step in again)


async def test_the_old_field_name_is_understood(caller):
    lines = await caller.lines("/api/pull", name="all-minilm")
    assert json.loads(lines[-1]) == {"status": "success"}


async def test_whatever_the_bundled_catalogue_names_can_be_pulled(caller):
    lines = await caller.lines("/api/pull", model="granite3.3:2b")
    assert json.loads(lines[-1]) == {"status": "success"}
    shown = await caller.post("/api/show", model="granite3.3:2b")
    assert "completion" in shown[1]["capabilities"]


async def test_partial_data_is_kept_when_the_last_listener_leaves_and_the_next_goes_on():
    async with serving(quick(speed=1.0, pull_gb_per_second=0.2)) as caller:
        task = asyncio.create_task(pull(caller))
        await until(lambda: any(entry["completed"] for entry in caller.node.downloads.snapshot()))
        await leave(task)
        await until(lambda: caller.node.downloads.snapshot()[0]["listeners"] == 0)
        (kept,) = caller.node.downloads.snapshot()
        assert 0 < kept["completed"] < kept["total"]
        caller.node.configure(speed=100)
        first = next(step for step in await pull(caller) if "digest" in step)
        assert first["completed"] >= kept["completed"]
        assert caller.node.downloads.snapshot() == []


async def test_several_listeners_share_one_download_that_survives_one_of_them():
    async with serving(quick(speed=1.0, pull_gb_per_second=0.2)) as caller:
        tasks = [asyncio.create_task(pull(caller)) for _ in range(2)]
        await until(lambda: (found := caller.node.downloads.snapshot()) and found[0]["listeners"] == 2)
        await leave(tasks[0])
        await until(lambda: caller.node.downloads.snapshot()[0]["listeners"] == 1)
        caller.node.configure(speed=100)
        assert (await tasks[1])[-1] == {"status": "success"}


async def test_an_unknown_model_is_an_error_line_or_a_status(caller):
    lines = await caller.lines("/api/pull", model="absent")
    assert json.loads(lines[-1]) == {"error": "pull model manifest: file does not exist"}
    status, body = await caller.post("/api/pull", model="absent", stream=False)
    assert (status, body["error"]) == (500, "pull model manifest: file does not exist")


async def test_a_wrong_digest_fails_and_is_downloaded_again(caller):
    caller.node.add_fault("wrong_digest", count=1)
    steps = await pull(caller)
    assert steps[-1]["error"].startswith("digest mismatch, file must be downloaded again: want sha256:")
    assert caller.node.registry.find(MODEL) is None
    started = caller.node.downloads.started
    assert (await pull(caller))[-1] == {"status": "success"}
    assert caller.node.downloads.started == started + 1


async def test_a_pull_can_break_at_a_given_share(caller):
    caller.node.add_fault("pull_drop", percent=40, count=1)
    steps = await pull(caller)
    assert "error" in steps[-1]
    reached = max(step.get("completed", 0) / step["total"] for step in steps if "digest" in step)
    assert round(reached, 2) == 0.4
    assert (await pull(caller))[-1] == {"status": "success"}

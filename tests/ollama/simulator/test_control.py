"""The control routes over HTTP."""

import pytest

from orchestration.ollama.simulator import SimulatedNode, introduce
from orchestration.ollama.simulator.control import _is_loopback
from tests.ollama.simulator.calling import leave, quick, serving


async def test_state_tells_what_runs_waits_and_is_loaded(caller):
    caller.node.add_fault("stall", count=1)
    tasks = [caller.background()]
    await caller.until(lambda state: state["phases"]["decode"])
    tasks.append(caller.background())
    await caller.until(lambda state: state["models"]["llama3.2:latest"]["waiting"])
    status, state = await caller.call("GET", "/_simulator/state")
    assert status == 200
    model = state["models"]["llama3.2:latest"]
    assert (model["running"], model["waiting"], model["slots"]) == (1, 1, 1)
    assert model["vram_bytes"] > 2_000_000_000
    assert state["counts"]["loads_total"] == 1
    for task in tasks:
        await leave(task)


async def test_faults_can_be_added_replaced_and_cleared(caller):
    _, body = await caller.call("POST", "/_simulator/faults", {"kind": "busy", "count": 3})
    assert [fault["kind"] for fault in body["faults"]] == ["busy"]
    _, body = await caller.call("POST", "/_simulator/faults", [{"kind": "stall", "after_tokens": 5}])
    assert len(body["faults"]) == 2
    _, body = await caller.call("PUT", "/_simulator/faults", {"faults": [{"kind": "html"}]})
    assert [fault["kind"] for fault in body["faults"]] == ["html"]
    _, body = await caller.call("DELETE", "/_simulator/faults")
    assert body["faults"] == []


async def test_settings_can_be_changed_while_it_runs(caller):
    _, body = await caller.call("POST", "/_simulator/config", {"version": "0.24.0", "slots": 3})
    assert (body["version"], body["slots"]) == ("0.24.0", 3)
    assert (await caller.call("GET", "/api/version"))[1] == {"version": "0.24.0"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("config", {"port": 1}),
        ("config", []),
        ("faults", {"kind": "nonsense"}),
        ("state?node=nobody", None),
    ],
)
async def test_mistakes_are_explained(caller, path, body):
    status, answer = await caller.call("GET" if "state" in path else "POST", f"/_simulator/{path}", body)
    assert status == 400
    assert answer["error"]


async def test_a_node_that_refuses_connections_is_revived_through_its_neighbour():
    async with serving(quick(name="a")) as caller, SimulatedNode(quick(name="b")) as other:
        introduce([caller.node, other])
        await caller.call("POST", "/_simulator/faults?node=b", {"kind": "die"})
        await caller.until(lambda _: other.state()["dead"])
        await caller.call("DELETE", "/_simulator/faults?node=b")
        await caller.until(lambda _: other.state()["listening"])
        assert (await caller.call("GET", "/_simulator/nodes"))[1]["nodes"]["b"] == other.url


def test_only_this_machine_may_control():
    assert _is_loopback("127.0.0.1")
    assert _is_loopback("::1")
    assert not _is_loopback("10.0.0.1")
    assert not _is_loopback(None)

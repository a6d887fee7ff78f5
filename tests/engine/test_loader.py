"""The loader against simulated servers, over their sockets."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from orchestration.engine import loader as module
from orchestration.engine.loader import Loader
from orchestration.models import LoadPlan, ModelConfig, Node, NodeModel, NodeVariant, Task
from orchestration.ollama.simulator import ModelSpec, NodeHandle, NodeSpec
from orchestration.permissions import Actor
from orchestration.services import nodes
from tests.engine.conftest import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

SMALL, OTHER, MEDIUM, SLOW = "small:latest", "other:latest", "medium:latest", "slow:latest"
VECTORS, ALIAS = "vectors:latest", "alias:latest"
MB = 1_000_000


def _spec(name: str, size: int = 10 * MB, **fields: Any) -> ModelSpec:
    return ModelSpec(name, size=size, family="llama", parameter_size="1B", tokens_per_second=50.0, **fields)


MODELS = (
    _spec(SMALL, context=32_768),
    _spec(OTHER),
    _spec(MEDIUM, 160 * MB),
    _spec(SLOW, 10_000 * MB),
    _spec(VECTORS, capabilities=("embedding",)),
    _spec(ALIAS, weights=SMALL, context=32_768),
)


@pytest.fixture
def gpu(make_simulator: Callable[..., Any]) -> NodeHandle:
    """Loads a small model in a tenth of a second, the medium one in a second, the slow one in a minute."""
    spec = NodeSpec(name="gpu-a", models=MODELS, vram_gb=24, speed=20.0, disk_gb_per_second=0.008, slots=2)
    return make_simulator([spec]).nodes[0]


@pytest.fixture
def gpu_node(gpu: NodeHandle, make_node: Callable[..., Node]) -> Node:
    """Drover knows how much memory it has."""
    names = (SMALL, OTHER, MEDIUM, SLOW, VECTORS, ALIAS)
    node = make_node("gpu-a", base_url=gpu.url, models=names, vram_bytes=24 * 2**30)
    NodeModel.objects.filter(model__name__in=(SMALL, ALIAS)).update(size_bytes=10 * MB)
    return node


@pytest.fixture
def start() -> Iterator[Callable[..., "_Running"]]:
    """Runs a loader that leads until the test ends, or until ``stop`` of what it returns."""
    running: list[_Running] = []

    def begin(*, leads: bool = True) -> _Running:
        running.append(_Running(leads=leads))
        return running[-1]

    yield begin
    for it in running:
        it.stop()


class _Running:
    def __init__(self, *, leads: bool) -> None:
        self._stop, self.leads = threading.Event(), threading.Event()
        if leads:
            self.leads.set()
        self.loader = Loader(self._stop, self.leads)
        self._thread = threading.Thread(target=self.loader.run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self.loader.look()
        self._thread.join(30)
        assert not self._thread.is_alive()


def plan(node: Node, model: str = SMALL, num_ctx: int = 4096, **fields: Any) -> LoadPlan:
    now = timezone.now()
    kept = {"planned_at": now, "loading_since": now, "token": f"t-{model}-{num_ctx}"}
    return LoadPlan.objects.create(node=node, model_name=model, num_ctx=num_ctx, **{**kept, **fields})


def put(gpu: NodeHandle, model: str, num_ctx: int = 4096, **fields: Any) -> None:
    """Somebody has loaded it."""
    body = {"model": model, "stream": False, "options": {"num_ctx": num_ctx}, "prompt": "", **fields}
    httpx.post(f"{gpu.url}/api/generate", json=body, timeout=30).raise_for_status()


def done() -> bool:
    return not LoadPlan.objects.exists()


def resident(gpu: NodeHandle) -> dict[str, int]:
    return {name: runner["num_ctx"] for name, runner in gpu.state()["models"].items()}


def loads(gpu: NodeHandle) -> dict[str, int]:
    return gpu.state()["counts"]["loads"]


def test_a_planned_model_is_loaded_with_its_context_and_our_keep_alive(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    ModelConfig.objects.create(model_name=SMALL, keep_alive_seconds=7200)
    plan(gpu_node, num_ctx=8192)
    start()
    wait_until(done)
    assert gpu.state()["models"][SMALL]["keep_alive"] == 7200
    row = NodeModel.objects.get(model__name=SMALL)
    assert (row.loaded, row.loaded_context) == (True, 8192)
    variant = NodeVariant.objects.get()
    assert variant.loaded_at is not None
    assert variant.load_seconds is not None
    assert variant.size_bytes == gpu.state()["models"][SMALL]["size"]
    assert Node.objects.get().learned_bytes == variant.size_bytes


def test_requests_with_the_same_context_do_not_load_it_again(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    plan(gpu_node, num_ctx=8192)
    start()
    wait_until(done)
    put(gpu, SMALL, 8192, prompt="Hello", options={"num_ctx": 8192, "temperature": 0, "num_predict": 2})
    assert loads(gpu) == {SMALL: 1}


def test_a_model_for_embedding_is_loaded_too(gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]) -> None:
    plan(gpu_node, VECTORS)
    start()
    wait_until(done)
    assert VECTORS in resident(gpu)


def test_victims_leave_before_the_load_where_the_memory_is_known(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    put(gpu, OTHER)
    plan(gpu_node, victims=[[OTHER, 4096]])
    start()
    wait_until(done)
    assert resident(gpu) == {SMALL: 4096}
    assert not NodeModel.objects.get(model__name=OTHER).loaded


def test_where_the_memory_is_unknown_idle_models_are_left_to_ollama(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    Node.objects.update(vram_bytes=None)
    put(gpu, OTHER)
    plan(gpu_node, victims=[[OTHER, 4096]])
    start()
    wait_until(done)
    assert resident(gpu) == {OTHER: 4096, SMALL: 4096}


@pytest.mark.parametrize("vram_bytes", [24 * 2**30, None])
def test_a_larger_context_takes_the_place_of_a_smaller_one(
    vram_bytes: int | None, gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    Node.objects.update(vram_bytes=vram_bytes)
    put(gpu, SMALL, 4096)
    plan(gpu_node, num_ctx=8192, victims=[[SMALL, 4096]])
    start()
    wait_until(done)
    assert resident(gpu) == {SMALL: 8192}
    assert loads(gpu) == {SMALL: 2}


def test_a_victim_that_others_still_use_does_not_hold_up_the_load_for_ever(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNLOAD_SECONDS", 0.2)
    options = {"num_ctx": 4096, "num_predict": 100_000}
    with httpx.stream(
        "POST", f"{gpu.url}/api/generate", json={"model": OTHER, "prompt": "x", "options": options}, timeout=30
    ) as answer:
        lines = answer.iter_lines()  # kept: with it goes the connection
        next(lines)
        plan(gpu_node, victims=[[OTHER, 4096]])
        start()
        wait_until(done)
        assert resident(gpu) == {OTHER: 4096, SMALL: 4096}


def test_a_new_leader_repeats_a_load_and_leaves_alone_what_is_there_already(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    put(gpu, SMALL, 8192)
    plan(gpu_node, num_ctx=8192, victims=[[SMALL, 4096]])
    start()
    wait_until(done)
    assert loads(gpu) == {SMALL: 1}
    variant = NodeVariant.objects.get()
    assert variant.loaded_at is not None
    assert variant.load_seconds is None


def test_a_name_that_shares_the_weights_of_a_loaded_model_is_loaded_at_once(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    put(gpu, SMALL)
    plan(gpu_node, ALIAS)
    start()
    wait_until(done)
    assert list(resident(gpu)) == [SMALL]
    row = NodeModel.objects.get(model__name=ALIAS)
    assert (row.loaded, row.loaded_context) == (True, 4096)


def test_nobody_who_stands_by_loads_anything_until_it_leads(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    plan(gpu_node)
    first, second = start(leads=False), start(leads=False)
    first.loader.look()
    second.leads.set()
    wait_until(done)
    assert loads(gpu) == {SMALL: 1}


def test_a_load_under_way_is_left_to_the_next_leader_by_one_that_stops(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    begun = plan(gpu_node, SLOW)
    first = start()
    wait_until(lambda: gpu.state()["loading"] == SLOW)
    first.stop()
    wait_until(lambda: gpu.state()["loading"] is None)
    assert LoadPlan.objects.get().token == begun.token
    start()
    wait_until(lambda: gpu.state()["loading"] == SLOW)


def test_a_load_goes_on_while_the_role_is_lost(gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]) -> None:
    plan(gpu_node, MEDIUM)
    running = start()
    wait_until(lambda: gpu.state()["loading"] == MEDIUM)
    running.leads.clear()
    wait_until(done)
    assert loads(gpu) == {MEDIUM: 1}
    assert MEDIUM in resident(gpu)


def test_the_load_of_a_node_that_is_disabled_is_broken_off(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any], as_alice: Actor
) -> None:
    plan(gpu_node, SLOW)
    running = start()
    wait_until(lambda: gpu.state()["loading"] == SLOW)
    nodes.update(actor=as_alice, node_id=gpu_node.pk, enabled=False)
    running.loader.look()
    wait_until(lambda: gpu.state()["counts"]["aborted_loads"] == 1)
    assert gpu.state()["loading"] is None


def test_two_nodes_load_at_the_same_time(
    make_simulator: Callable[..., Any], make_node: Callable[..., Node], start: Callable[..., Any]
) -> None:
    specs = [NodeSpec(name=name, models=MODELS, disk_gb_per_second=0.1) for name in ("gpu-a", "gpu-b")]
    herd = make_simulator(specs)
    for handle in herd.nodes:
        plan(make_node(handle.name, base_url=handle.url, models=(SLOW,)), SLOW, token=handle.name)
    start()
    wait_until(lambda: [handle.state()["loading"] for handle in herd.nodes] == [SLOW, SLOW])


# Faults ---------------------------------------------------------------------------------------------------------------


def _failed() -> NodeVariant | None:
    return NodeVariant.objects.filter(load_failures__gt=0).first() if done() else None


def test_a_load_the_server_cannot_do_is_noted_with_its_words(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    gpu.faults({"kind": "load_error", "message": "out of memory"})
    put_before = NodeModel.objects.filter(model__name=OTHER)
    put_before.update(loaded=True)
    plan(gpu_node, victims=[[OTHER, 4096]])
    start()
    variant = wait_until(_failed)
    assert variant.load_error == "out of memory"
    assert variant.load_not_before > timezone.now() - timedelta(seconds=5)
    assert not put_before.get().loaded
    assert Node.objects.get().failures == 0


def test_a_model_that_was_deleted_is_not_installed_there_any_more(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    httpx.request("DELETE", f"{gpu.url}/api/delete", json={"model": OTHER}).raise_for_status()
    plan(gpu_node, OTHER)
    start()
    wait_until(done)
    assert not NodeModel.objects.filter(model__name=OTHER, installed=True).exists()


def test_a_victim_that_was_deleted_while_loaded_hinders_nothing(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNLOAD_SECONDS", 0.2)
    put(gpu, OTHER)
    gpu.faults({"kind": "not_found", "model": OTHER})
    plan(gpu_node, victims=[[OTHER, 4096]])
    start()
    wait_until(done)
    assert SMALL in resident(gpu)


@pytest.mark.parametrize("fault", ["refuse", "reset"])
def test_a_node_that_cannot_be_reached_is_in_doubt_and_nobody_is_charged(
    fault: str, gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    gpu.faults({"kind": fault})
    plan(gpu_node)
    start()
    wait_until(_failed)
    assert Node.objects.get().failures == 1
    assert not Task.objects.filter(tries__gt=0).exists()


def test_a_server_that_dies_of_a_load_is_in_doubt_and_not_made_to_do_it_again_at_once(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    plan(gpu_node, SLOW)
    start()
    wait_until(lambda: gpu.state()["loading"] == SLOW)
    gpu.faults({"kind": "die"})
    variant = wait_until(_failed)
    assert Node.objects.get().failures == 1
    assert variant.load_not_before is not None


def test_a_load_that_hangs_ends_with_the_time_allowed(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any], settings: Any
) -> None:
    settings.DROVER_FIRST_OBJECT_TIMEOUT = timedelta(seconds=0.3)
    gpu.faults({"kind": "freeze", "path": "/api/generate"})
    plan(gpu_node)
    start()
    assert "sent nothing complete" in wait_until(_failed).load_error
    assert Node.objects.get().failures == 0


def test_a_load_whose_outcome_the_node_does_not_tell_is_asked_for_again(
    gpu: NodeHandle, gpu_node: Node, start: Callable[..., Any]
) -> None:
    plan(gpu_node, MEDIUM)
    start()
    wait_until(lambda: gpu.state()["loading"] == MEDIUM)
    gpu.faults({"kind": "server_error", "path": "/api/ps", "count": 1})
    wait_until(done)
    assert gpu.state()["faults_struck"] == {"server_error": 1}
    assert loads(gpu) == {MEDIUM: 1}
    assert NodeVariant.objects.get().load_failures == 0


def test_an_address_that_is_no_longer_allowed_is_not_called(
    make_node: Callable[..., Node], start: Callable[..., Any]
) -> None:
    plan(make_node(base_url="http://169.254.169.254", models=(SMALL,)))
    start()
    assert "never allowed" in wait_until(_failed).load_error

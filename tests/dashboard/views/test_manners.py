"""Pages of presets, of the fleet's defaults, and of what holds for whom."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from orchestration.models import Agent, FleetDefaults, ModelConfig, Node, Preset, Run, Task
from orchestration.services import presets

MODEL = "llama3.2:latest"


@pytest.fixture
def alice_web(client: Client, alice: Any) -> Client:
    client.force_login(alice)
    return client


@pytest.fixture
def carol_web(carol: Any) -> Client:
    client = Client()
    client.force_login(carol)
    return client


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_presets_are_listed_with_their_values_and_what_uses_them(alice_web: Client, agent: Agent) -> None:
    presets.ensure_built_in()
    Agent.objects.update(preset="creative")
    shown = text(alice_web.get("/settings/presets"))
    assert all(name in shown for name in ("balanced", "creative", "precise", "fast", "long context"))
    assert "temperature 1.1" in shown
    assert "agent writer" in shown


def test_a_preset_is_added_changed_and_deleted(alice_web: Client) -> None:
    sent = {"name": "poems", "temperature": "1.2", "stop": "THE END\nAmen", "think": "off", "min_p": "0.1"}
    assert alice_web.post("/settings/presets", sent).status_code == 302
    row = Preset.objects.get(name="poems")
    assert (row.options, row.think) == ({"temperature": 1.2, "stop": ["THE END", "Amen"], "min_p": 0.1}, False)
    assert "THE END" in text(alice_web.get(f"/settings/presets/{row.pk}"))
    assert alice_web.post(f"/settings/presets/{row.pk}", {**sent, "temperature": ""}).status_code == 302
    row.refresh_from_db()
    assert "temperature" not in row.options
    alice_web.post(f"/settings/presets/{row.pk}/delete")
    assert not Preset.objects.exists()


def test_what_is_wrong_stands_beside_its_field(alice_web: Client) -> None:
    response = alice_web.post("/settings/presets", {"name": "x", "temperature": "99"})
    assert response.status_code == 422
    assert 'id="id_temperature_error"' in text(response)


def test_a_built_in_one_keeps_its_name_and_is_put_back(alice_web: Client) -> None:
    presets.ensure_built_in()
    fast = Preset.objects.get(name="fast")
    alice_web.post(f"/settings/presets/{fast.pk}", {"name": "fast", "num_predict": "7"})
    fast.refresh_from_db()
    assert fast.options == {"num_predict": 7}
    assert "Put back" in text(alice_web.get(f"/settings/presets/{fast.pk}"))
    alice_web.post(f"/settings/presets/{fast.pk}/restore")
    fast.refresh_from_db()
    assert fast.options["num_ctx"] == 4096


def test_the_fleets_defaults_are_saved_with_runner_options(alice_web: Client) -> None:
    sent = {"default_model": "qwen3", "preset": "precise", "think": "low", "num_gpu": "0", "use_mmap": "false"}
    assert alice_web.post("/settings/defaults", sent).status_code == 302
    row = FleetDefaults.objects.get()
    assert (row.default_model, row.preset, row.think) == ("qwen3:latest", "precise", "low")
    assert row.options == {"num_gpu": 0, "use_mmap": False}
    assert 'value="qwen3:latest"' in text(alice_web.get("/settings/defaults"))


def test_a_viewer_sees_everything_and_changes_nothing(carol_web: Client, node: Node) -> None:
    presets.ensure_built_in()
    fast = Preset.objects.get(name="fast")
    for path in ("presets", f"presets/{fast.pk}", "defaults", "effective"):
        assert carol_web.get(f"/settings/{path}").status_code == 200
    carol_web.post("/settings/defaults", {"preset": "fast"})
    carol_web.post("/settings/presets", {"name": "mine"})
    assert not FleetDefaults.objects.exists()
    assert not Preset.objects.filter(name="mine").exists()


def test_what_holds_is_shown_level_by_level(alice_web: Client, agent: Agent, node: Node) -> None:
    FleetDefaults.objects.create(pk=1, options={"top_k": 3, "seed": 1})
    ModelConfig.objects.create(model_name=MODEL, options={"seed": 2})
    shown = text(alice_web.get("/settings/effective?agent=writer&preset=fast"))
    assert f"model {MODEL}" in shown
    assert "preset fast of the task" in shown
    assert "<s>seed 1</s>" in shown
    assert "Did you mean creative?" in text(alice_web.get("/settings/effective?preset=creativ"))


def test_a_models_configuration_has_every_option_and_what_then_holds(alice_web: Client, node: Node) -> None:
    Node.objects.update(vram_bytes=24_000_000_000)
    shown = text(alice_web.get(f"/models/{MODEL}/config"))
    assert all(f'name="{name}"' in shown for name in ("num_gpu", "use_mmap", "typical_p", "allowed_nodes", "preset"))
    assert "Memory by context" in shown
    assert "262,144" in shown
    sent = {"max_concurrent_requests": "5", "priority": "0", "enabled": "on", "num_gpu": "12", "seed": "3"}
    more = {"allowed_nodes": "gpu-a, fast", "preset": "precise", "labels": "code", "num_ctx": "8192", "think": "off"}
    assert alice_web.post(f"/models/{MODEL}/config", {**sent, **more}).status_code == 302
    row = ModelConfig.objects.get()
    assert row.options == {"num_gpu": 12, "seed": 3, "num_ctx": 8192}
    assert (row.allowed_nodes, row.preset, row.labels, row.think) == (["gpu-a", "fast"], "precise", ["code"], False)
    shown = text(alice_web.get(f"/models/{MODEL}/config"))
    assert "No node is called or labelled fast." in shown
    assert f"preset precise of model {MODEL}" in shown


def test_the_form_of_a_task_learns_how_much_memory_a_context_takes(alice_web: Client, node: Node) -> None:
    Node.objects.update(vram_bytes=24_000_000_000)
    shown = text(alice_web.get(f"/models/{MODEL}/forecast?num_ctx=8192"))
    assert "gpu-a: about" in shown
    assert "<html" not in shown


def test_a_tasks_page_shows_its_options_with_who_decided_them(alice_web: Client, submit: Callable[..., Run]) -> None:
    task = submit("Hello", parameters={"seed": 7}, preset="precise").tasks.get()
    shown = text(alice_web.get(f"/tasks/{task.pk}"))
    assert "Options in force" in shown
    assert "preset precise of the task" in shown


def test_a_new_task_takes_a_preset_and_every_option(alice_web: Client, agent: Agent, node: Node) -> None:
    sent = {"type": "generate", "agent": agent.pk, "prompt": "Hello", "priority": "1", "preset": "creative"}
    response = alice_web.post("/new", {**sent, "typical_p": "0.9", "stop": "END", "format": "text"})
    assert response.status_code == 302, text(response)
    task = Task.objects.get()
    assert (task.preset, task.parameters, task.format) == ("creative", {"typical_p": 0.9, "stop": ["END"]}, None)
    assert (task.options["typical_p"], task.options["temperature"]) == (0.9, 1.1)
    assert 'value="creative" selected' in text(alice_web.get(f"/new?from=task:{task.pk}"))

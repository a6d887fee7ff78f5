"""Forms of models, defaults and presets: what they show comes back as it was."""

from dashboard.manner_forms import (
    DefaultsForm,
    ModelForm,
    PresetForm,
    initial_from_defaults,
    initial_from_model,
    initial_from_preset,
    think_word,
)
from orchestration.models import FleetDefaults, ModelConfig, Preset

OPTIONS = {"temperature": 0.0, "stop": ["END"], "num_gpu": 0, "use_mmap": False, "num_ctx": 8192}


def sent(shown):
    words = {True: "true", False: "false"}
    return {
        name: words.get(value, value) if isinstance(value, bool) else value
        for name, value in shown.items()
        if value is not None
    }


def test_a_models_configuration_comes_back_as_it_was():
    row = ModelConfig(options=OPTIONS, labels=["a", "b"], allowed_nodes=["gpu-a"], think=False, description="Slow.")
    form = ModelForm({**sent(initial_from_model(row)), "enabled": "on"})
    assert form.is_valid(), form.errors
    values = form.values()
    for name in ("options", "labels", "allowed_nodes", "think", "description", "fallbacks", "enabled"):
        assert values[name] == getattr(row, name)


def test_the_fleets_defaults_come_back_as_they_were():
    row = FleetDefaults(options=OPTIONS, default_model="a:1b", think="low", keep_alive_seconds=60)
    form = DefaultsForm(sent(initial_from_defaults(row)))
    assert form.is_valid(), form.errors
    assert form.values() == {
        **{"default_model": "a:1b", "preset": "", "timeout_seconds": None, "keep_alive_seconds": 60},
        **{"think": "low", "options": OPTIONS},
    }


def test_a_preset_comes_back_without_runner_options():
    row = Preset(name="mine", options={"seed": 1}, think=None)
    form = PresetForm(sent(initial_from_preset(row)))
    assert form.is_valid(), form.errors
    assert form.values() == {"name": "mine", "description": "", "think": None, "options": {"seed": 1}}
    assert form.runner_options == []


def test_thinking_has_words():
    assert [think_word(value) for value in (None, True, False, "low")] == ["", "on", "off", "low"]

"""Forms of what is decided about how tasks are done: for a model, for the fleet, in a preset. Shape only; the services
decide what is allowed."""

from typing import Any

from django import forms

from dashboard.forms import THINK_WORDS, split
from dashboard.option_forms import (
    OPTION_FIELDS,
    RUNNER_FIELDS,
    OptionsForm,
    RetriesForm,
    initial_options,
    number_field,
)
from orchestration.models import FleetDefaults, ModelConfig, Preset
from orchestration.services.tries import RETRY_FIELDS

ALL_FIELDS = (*OPTION_FIELDS, *RUNNER_FIELDS)
_OF_MODEL = (
    *("enabled", "max_concurrent_requests", "priority", "timeout_seconds", "keep_alive_seconds", "description"),
    *("preset", *RETRY_FIELDS),
)
_OF_FLEET = ("default_model", "preset", "timeout_seconds", "keep_alive_seconds")


def think_field(note: str) -> forms.ChoiceField:
    choices = [("", note), *((word, word) for word in THINK_WORDS if word)]
    return forms.ChoiceField(label="Thinking", required=False, choices=choices)


def _names(label: str, placeholder: str, help_text: str) -> forms.CharField:
    widget = forms.TextInput(attrs={"placeholder": placeholder})
    return forms.CharField(label=label, required=False, widget=widget, help_text=help_text)


class ModelForm(RetriesForm, OptionsForm):
    option_names = ALL_FIELDS
    enabled = forms.BooleanField(
        label="Enabled", required=False, help_text="A disabled model takes nothing new, wherever it is."
    )
    description = forms.CharField(
        label="Description", required=False, widget=forms.Textarea(attrs={"rows": 2, "placeholder": "What it is for."})
    )
    max_concurrent_requests = forms.IntegerField(
        label="Requests at once", min_value=1, max_value=10_000, help_text="Over all nodes together."
    )
    priority = forms.IntegerField(
        label="Order", min_value=-1000, max_value=1000, help_text="Of several that would do, the highest is taken."
    )
    timeout_seconds = number_field("Time-out, seconds", "as the fleet", min_value=1)
    keep_alive_seconds = number_field("Stays loaded, seconds", "as the fleet", min_value=0)
    think = think_field("as the fleet")
    labels = _names("Labels", "fast, code", "What it is good for: agents prefer models by these.")
    fallbacks = _names("Fallbacks", "none", "In order: what goes on when it is missing or fails.")
    allowed_nodes = _names("Kept to nodes", "every one that has it", "Names or labels of nodes, with commas.")

    def values(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            **{name: data[name] for name in _OF_MODEL},
            "think": THINK_WORDS[data["think"]],
            "options": self.options(),
            **{name: split(data[name]) for name in ("labels", "fallbacks", "allowed_nodes")},
        }


def initial_from_model(config: ModelConfig) -> dict[str, Any]:
    return {
        **{name: getattr(config, name) for name in _OF_MODEL},
        "think": think_word(config.think),
        **initial_options(config.options, ALL_FIELDS),
        **{name: ", ".join(getattr(config, name)) for name in ("labels", "fallbacks", "allowed_nodes")},
    }


class DefaultsForm(OptionsForm):
    option_names = ALL_FIELDS
    default_model = forms.CharField(
        label="Default model",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"list": "known-models", "placeholder": "any that fits the task"}),
        help_text="For agents that name no model.",
    )
    think = think_field("as the model does")
    timeout_seconds = number_field("Time-out, seconds", "none", min_value=1)
    keep_alive_seconds = number_field("Models stay loaded, seconds", "as the settings say", min_value=0)

    def values(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            **{name: data[name] for name in _OF_FLEET},
            "think": THINK_WORDS[data["think"]],
            "options": self.options(),
        }


def initial_from_defaults(row: FleetDefaults) -> dict[str, Any]:
    return {
        **{name: getattr(row, name) for name in _OF_FLEET},
        "think": think_word(row.think),
        **initial_options(row.options, ALL_FIELDS),
    }


class PresetForm(OptionsForm):
    has_preset = False
    name = forms.CharField(label="Name", max_length=60)
    description = forms.CharField(
        label="Description",
        required=False,
        max_length=300,
        widget=forms.TextInput(attrs={"placeholder": "What it is for."}),
    )
    think = think_field("says nothing")

    def values(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {
            "name": data["name"],
            "description": data["description"],
            "think": THINK_WORDS[data["think"]],
            "options": self.options(),
        }


def initial_from_preset(row: Preset) -> dict[str, Any]:
    return {
        "name": row.name,
        "description": row.description,
        "think": think_word(row.think),
        **initial_options(row.options),
    }


def think_word(think: bool | str | None) -> str:
    return next((word for word, value in THINK_WORDS.items() if value == think and word), "")

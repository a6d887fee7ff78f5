"""What forms make of what people type."""

import pytest
from django import forms

from dashboard.forms import model_choices, place, split
from orchestration.errors import InvalidInput, ModelUnavailable, PayloadTooLarge


class Form(forms.Form):
    prompt = forms.CharField(required=False)
    model_name = forms.CharField(required=False)
    temperature = forms.CharField(required=False)


def errors_after(error):
    form = Form({})
    assert form.is_valid()
    place(form, error)
    return form.errors


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (InvalidInput("no", field="input"), "prompt"),
        (InvalidInput("no", option="temperature"), "temperature"),
        (InvalidInput("no", fields={"model_name": "no"}), "model_name"),
        (ModelUnavailable("no"), "model_name"),
        (PayloadTooLarge("no", field="input"), "prompt"),
        (InvalidInput("no", field="colour"), "__all__"),
        (InvalidInput("no"), "__all__"),
    ],
)
def test_an_error_lands_beside_its_field(error, field):
    assert errors_after(error) == {field: ["no"]}


def test_names_are_split_at_commas_and_lines_and_kept_once():
    assert split(" a, b\nc ,,a\n") == ["a", "b", "c"]


def test_models_are_grouped_by_how_soon_they_can_answer():
    agent = {"models": ["llama3.2", "gpt-9"], "config": {"default_model": ""}}
    known = {"size_bytes": 2_000_000_000, "installed_on": ["gpu-a"]}
    models = [
        {**known, "name": "llama3.2:latest", "loaded_on": ["gpu-a"]},
        {**known, "name": "llava:7b", "loaded_on": []},
    ]
    groups = dict(model_choices([agent], models)[1:])
    assert groups == {
        "Loaded": [("llama3.2:latest", "llama3.2:latest  ·  2.0 GB, gpu-a")],
        "Installed": [("llava:7b", "llava:7b  ·  2.0 GB, gpu-a")],
        "On no node": [("gpt-9", "gpt-9")],
    }

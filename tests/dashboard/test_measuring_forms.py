"""What the forms for comparisons and benchmarks make of what was typed."""

import pytest

from dashboard.measuring_forms import BenchForm, CompareForm, prompts_of, writes

MODELS = [
    {"name": "llama3.2:latest", "installed_on": ["gpu-a"], "capabilities": []},
    {"name": "qwen3:8b", "installed_on": ["gpu-a"], "capabilities": ["completion"]},
    {"name": "embed:1", "installed_on": ["gpu-a"], "capabilities": ["embedding"]},
    {"name": "gone:1", "installed_on": [], "capabilities": ["completion"]},
]
NODES = [{"name": "gpu-a"}]


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("one", ["one"]),
        ("one\n---\ntwo\nlines\n", ["one", "two\nlines"]),
        ("---\n\n --- \n", []),
        ("a --- b", ["a --- b"]),
    ],
)
def test_prompts_stand_between_lines_of_dashes(text, prompts):
    assert prompts_of(text) == prompts


def test_only_models_that_write_are_offered():
    assert [model["name"] for model in MODELS if writes(model)] == ["llama3.2:latest", "qwen3:8b"]


def test_empty_columns_and_options_are_not_sent():
    data = {"prompts": "Why?", "agent": "1", "model_1": "qwen3:8b", "model_2": "llama3.2:latest", "temperature": "0"}
    form = CompareForm(data, agents=[{"id": 1, "name": "default"}], models=MODELS, nodes=NODES)
    assert form.is_valid(), form.errors
    asked = form.asked()
    assert [column.model for column in asked.columns] == ["qwen3:8b", "llama3.2:latest"]
    assert asked.parameters == {"temperature": 0.0}


def test_own_prompts_take_the_place_of_a_set():
    data = {"models": ["qwen3:8b"], "prompt_set": "own", "prompts": "Why?", "concurrency": ["1"]}
    data |= {"repeats": "1", "rounds": "1", "num_predict": "8", "temperature": "0", "seed": "1"}
    form = BenchForm(data, models=MODELS, nodes=NODES)
    assert form.is_valid(), form.errors
    assert list(form.asked().prompts) == ["Why?"]


def test_the_same_content_has_the_same_key_and_another_content_another():
    def key(**fields):
        data = {"models": ["qwen3:8b"], "prompt_set": "short", "concurrency": ["1"], "repeats": "1", "rounds": "1"}
        data |= {"num_predict": "8", "temperature": "0", "seed": "1", "form_key": "k", **fields}
        form = BenchForm(data, models=MODELS, nodes=NODES)
        assert form.is_valid(), form.errors
        return form.idempotency_key()

    assert key() == key() != key(repeats="2")
    assert key(form_key="") is None

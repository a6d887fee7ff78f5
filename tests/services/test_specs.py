"""What a task may be asked for with; each refusal names its field and says what to do."""

import base64
from typing import Any

import pytest

from orchestration.errors import InvalidInput, PayloadTooLarge
from orchestration.services.specs import MAX_IMAGES, TaskSpec, check_image, check_tags, checked

IMAGE = base64.b64encode(b"a picture").decode()


def test_a_good_spec_comes_back_made_right() -> None:
    spec = checked(
        TaskSpec(
            type="chat",
            messages=[{"role": "user", "content": "What is this?"}],
            parameters={"temperature": 1, "mirostat": 2},
            tags=[" a ", "a", ""],
            images=[f"data:image/png;base64,{IMAGE}"],
        )
    )
    assert (spec.parameters, spec.tags, spec.images, spec.priority) == ({"temperature": 1.0}, ["a"], [IMAGE], 1)


@pytest.mark.parametrize("texts", ["one", ["one", "two"]])
def test_embed_takes_a_text_or_several(texts: Any) -> None:
    assert checked(TaskSpec(type="embed", input=texts)).input == texts


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"type": "genrate"}, "type"),
        ({"input": ""}, "input"),
        ({"model_name": "m" * 194}, "model_name"),
        ({"input": " \n"}, "input"),
        ({"input": ["a list"]}, "input"),
        ({"type": "embed", "input": []}, "input"),
        ({"type": "embed", "input": ["", "x"]}, "input"),
        ({"type": "embed", "images": [IMAGE]}, "images"),
        ({"messages": [{"role": "user", "content": "x"}]}, "messages"),
        ({"type": "chat", "messages": []}, "messages"),
        ({"type": "chat", "messages": [{"role": "wizard", "content": "x"}]}, "messages"),
        ({"type": "chat", "messages": ["x"]}, "messages"),
        ({"type": "chat", "messages": [{"role": "user", "content": 7}]}, "messages"),
        ({"type": "chat", "messages": [{"role": "user", "content": " "}]}, "messages"),
        ({"priority": 3}, "priority"),
        ({"priority": -1}, "priority"),
        ({"tags": ["x" * 41]}, "tags"),
        ({"format": "yaml"}, "format"),
        ({"think": "deeply"}, "think"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"timeout_seconds": 0.5}, "timeout_seconds"),
        ({"keep_alive_seconds": -1}, "keep_alive_seconds"),
        ({"max_tries": 0}, "max_tries"),
        ({"images": ["not base64!"]}, "images"),
        ({"images": [IMAGE] * (MAX_IMAGES + 1)}, "images"),
    ],
)
def test_each_refusal_names_its_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        checked(TaskSpec(**{"type": "generate", "input": "Say hello.", **fields}))
    assert refusal.value.detail["field"] == field


def test_a_mistyped_type_is_answered_with_the_right_one() -> None:
    with pytest.raises(InvalidInput, match="Did you mean generate"):
        checked(TaskSpec(type="genrate", input="x"))
    with pytest.raises(InvalidInput, match="Types are generate, chat, embed"):
        checked(TaskSpec(type="zzz", input="x"))


def test_a_bad_option_names_the_option() -> None:
    with pytest.raises(InvalidInput, match="temperature") as refusal:
        checked(TaskSpec(type="generate", input="x", parameters={"temprature": 1}))
    assert refusal.value.detail["option"] == "temprature"


def test_a_prompt_has_a_bound_whatever_it_is_made_of(settings: Any) -> None:
    settings.DROVER_MAX_PROMPT_CHARS = 10
    checked(TaskSpec(type="generate", input="x" * 10))
    for spec in (
        TaskSpec(type="generate", input="x" * 11),
        TaskSpec(type="embed", input=["x" * 6, "x" * 6]),
        TaskSpec(type="chat", messages=[{"role": "user", "content": "x" * 11}]),
    ):
        with pytest.raises(PayloadTooLarge, match="at most 10"):
            checked(spec)


def test_a_huge_image_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.services.specs.MAX_IMAGE_BYTES", 10)
    with pytest.raises(PayloadTooLarge):
        check_image("A" * 100)


def test_twenty_tags_are_taken_and_more_are_not() -> None:
    assert len(check_tags([f"t{number}" for number in range(20)])) == 20
    with pytest.raises(InvalidInput):
        check_tags([f"t{number}" for number in range(21)])

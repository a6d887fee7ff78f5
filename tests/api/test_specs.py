"""From a body to the tasks that the service is asked for."""

from typing import Any

import pytest

from orchestration.api.schemas import SubmitBody
from orchestration.api.specs import FOREVER, keep_alive_seconds, specs_of
from orchestration.errors import InvalidInput
from orchestration.services.tasks import TaskSpec


def spec(**task: Any) -> TaskSpec:
    body = SubmitBody.model_validate({"tasks": [{"type": "generate", **task}]})
    return specs_of(body)[0]


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [
        (0, 0),
        (90, 90),
        (1.5, 1.5),
        ("5m", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("300ms", 0.3),
        ("5m0s", 300),
        ("0", 0),
        ("0s", 0),
        (-1, FOREVER.total_seconds()),
        ("-1m", FOREVER.total_seconds()),
        (1e300, FOREVER.total_seconds()),
    ],
)
def test_keep_alive_is_read_as_ollama_reads_it(wish: float | str, seconds: float) -> None:
    assert keep_alive_seconds(wish) == pytest.approx(seconds)


@pytest.mark.parametrize("wish", ["10", "-1", "abc", "", "5 m", "m", "1d"])
def test_a_keep_alive_without_a_unit_is_refused(wish: str) -> None:
    with pytest.raises(InvalidInput, match="is not a duration"):
        keep_alive_seconds(wish)


def test_an_empty_field_of_a_message_is_left_out() -> None:
    asked = spec(type="chat", messages=[{"role": "user", "content": "hi", "images": []}])
    assert asked.messages == [{"role": "user", "content": "hi"}]


def test_the_context_stays_apart_from_the_question() -> None:
    asked = spec(input="When?", context=["At night.", {"title": "Whales", "content": "They sing."}], context_tokens=500)
    assert asked.input == "When?"
    assert asked.context == [{"text": "At night."}, {"text": "They sing.", "name": "Whales"}]
    assert asked.context_tokens == 500


def test_a_context_without_a_text_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInput, match=r"tasks\[0\]\.context\[1\]"):
        spec(input="When?", context=["At night.", {"url": "x"}])

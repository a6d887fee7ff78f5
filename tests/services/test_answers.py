"""What placeholders stand for."""

import pytest

from orchestration.errors import Unprocessable
from orchestration.models import Task
from orchestration.services.answers import as_text, filled, in_order, output_of


def test_values_are_texts_or_json() -> None:
    assert (as_text("a"), as_text({"ä": 1}), as_text([1, 2]), as_text(3)) == ("a", '{"ä": 1}', "[1, 2]", "3")


def test_each_text_of_a_template_is_filled() -> None:
    values = {"a": "{{b}}", "b": "x"}
    assert filled({"input": "{{a}}"}, values) == {"input": "{{b}}"}
    assert filled({"input": ["{{a}}", "{{b}}"]}, values) == {"input": ["{{b}}", "x"]}
    assert filled({"input": "", "messages": [{"role": "user", "content": "{{b}}"}, {"role": "tool"}]}, values) == {
        "messages": [{"role": "user", "content": "x"}, {"role": "tool", "content": ""}]
    }
    assert filled({"input": "", "system": "{{b}}"}, values) == {"input": "", "system_prompt": "x"}


def test_the_answer_of_an_embedding_is_its_vectors() -> None:
    assert output_of(Task(vectors=[[1.0, 0.5]])) == "[[1.0, 0.5]]"
    assert output_of(Task(output="text")) == "text"


def test_items_stand_in_the_order_of_their_list() -> None:
    late, early = Task(position=1, template={"index": 10}), Task(position=1, template={"index": 2})
    assert in_order([late, early]) == [early, late]


@pytest.mark.parametrize("name", ["input", "system", "messages"])
def test_what_would_be_too_long_is_never_made(name: str) -> None:
    """A terabyte, if it were."""
    text = "{{a}}" * 1_000_000
    template = {"input": "x", name: [{"role": "user", "content": text}] if name == "messages" else text}
    with pytest.raises(Unprocessable, match="1,000,000,000,00"):
        filled(template, {"a": "a" * 1_000_000})

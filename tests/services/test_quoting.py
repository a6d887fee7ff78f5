"""Steps of a chain quote earlier answers; what they may not quote is refused with the step named."""

import pytest

from orchestration.errors import Unprocessable
from orchestration.services.quoting import names_of, quoting
from orchestration.services.specs import TaskSpec


def chain(*inputs: str, names: tuple[str, ...] = ()) -> list[TaskSpec]:
    specs = [
        TaskSpec(type="generate", input=text, step=name) for text, name in zip(inputs, names or [""] * 9, strict=False)
    ]
    return [quoting(spec, number, names_of(specs)) for number, spec in enumerate(specs)]


def test_each_needs_the_one_before_it():
    assert [spec.needs for spec in chain("a", "b", "c")] == [[], [0], [1]]


def test_without_a_placeholder_there_is_no_template():
    assert [spec.template for spec in chain("a", "b {{ .Go }} {{unknown}}")] == [None, None]


def test_previous_step_numbers_and_names_are_understood():
    last = chain("a", "b", "{{previous}} {{step1}} {{plan}} {{steps.plan.output}}", names=("plan", "code", "x"))[2]
    assert last.template["names"] == {"previous": 1, "step1": 0, "plan": 0, "steps.plan.output": 0}
    assert last.needs == [0, 1]


def test_messages_may_quote_too():
    specs = [
        TaskSpec(type="generate", input="a"),
        TaskSpec(type="chat", messages=[{"role": "user", "content": "{{step1}}"}]),
    ]
    assert quoting(specs[1], 1, names_of(specs)).template["names"] == {"step1": 0}


@pytest.mark.parametrize("inputs", [("{{previous}}",), ("a", "{{step2}}"), ("a", "{{step3}}"), ("a", "{{step9}} b")])
def test_a_step_that_is_not_before_it_is_refused(inputs):
    with pytest.raises(Unprocessable, match=f"Step {len(inputs)} quotes"):
        chain(*inputs)

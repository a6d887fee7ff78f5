"""What steps need of each other: placeholders, names, the order given; cycles and references to nothing refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import InvalidWorkflow
from orchestration.policy.stepping import MOST_PROBLEMS, edges_of, plan
from orchestration.policy.workflows import read


def edges(*steps: dict[str, Any], **fields: Any) -> dict[str, list[str]]:
    return edges_of(plan(read({"name": "w", "steps": list(steps), **fields})))


def problems(*steps: dict[str, Any], **fields: Any) -> list[str]:
    with pytest.raises(InvalidWorkflow) as caught:
        edges(*steps, **fields)
    return [str(each) for each in caught.value.problems]


def step(name: str, text: str = "Do it.", **fields: Any) -> dict[str, Any]:
    return {"name": name, "input": text, **fields}


def test_a_placeholder_implies_the_dependency_wherever_it_stands() -> None:
    found = edges(
        step("plan"),
        step("code", "{{plan}}"),
        step("by_number", "{{step1}}"),
        step("in_full", "{{steps.plan.output}}"),
        step("before", "{{previous}}"),
        step("told", system="{{code}}"),
        step("maybe", condition="{{code}} is empty"),
        step("each", "{{item}} {{item.name}} {{index}}", for_each="{{plan}}"),
        step("joined", "{{steps.each.outputs}}"),
        {"name": "talk", "messages": [{"role": "user", "content": "{{plan}} {{code}}"}]},
    )
    assert found == {
        "plan": [],
        "code": ["plan"],
        "by_number": ["plan"],
        "in_full": ["plan"],
        "before": ["in_full"],
        "told": ["code"],
        "maybe": ["code"],
        "each": ["plan"],
        "joined": ["each"],
        "talk": ["plan", "code"],
    }


def test_steps_that_name_nothing_run_in_the_order_given() -> None:
    assert edges(step("a"), step("b"), step("c", "{{a}}"), step("d")) == {"a": [], "b": ["a"], "c": ["a"], "d": ["c"]}


def test_an_empty_depends_on_starts_at_once() -> None:
    assert edges(step("a"), step("b", depends_on=[])) == {"a": [], "b": []}


def test_the_order_given_never_makes_a_cycle() -> None:
    assert edges(step("a", "{{b}}"), step("b"), step("c")) == {"b": [], "a": ["b"], "c": ["b"]}


def test_an_input_is_no_dependency() -> None:
    assert edges(step("a", "{{input.x}}"), step("b", "{{input.x}}"), inputs={"x": {}}) == {"a": [], "b": ["a"]}


def test_what_need_only_have_ended_is_told_apart() -> None:
    steps = [step("a"), step("b", depends_on=[]), step("c", "{{a}}", after=["a", "b"]), step("d", after="b")]
    planned = plan(read({"name": "w", "steps": steps}))
    assert [(each.needs, each.after) for each in planned] == [((), ()), ((), ()), ((0,), (1,)), ((), (1,))]


def test_places_are_those_of_the_submission() -> None:
    planned = plan(read({"name": "w", "steps": [step("late", "{{early}} {{step2}}"), step("early")]}))
    assert [each.step.name for each in planned] == ["early", "late"]
    assert planned[1].names == {"early": 0, "step2": 0}
    assert planned[1].number == 0


def test_a_cycle_is_refused_by_name() -> None:
    (words,) = problems(step("a", "{{c}}"), step("b", "{{a}}"), step("c", depends_on=["b"]))
    assert words == "Step “a”: Steps wait for each other: a → c → b → a."
    assert problems(step("a", "{{a}}")) == ["Step “a”: It needs its own answer."]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{plann}}", "Did you mean {{plan}}?"),
        ("{{step9}}", "the workflow has 2"),
        ("{{input.topik}}", "Did you mean {{input.topic}}?"),
        ("{{input}}", "There is no input ''"),
        ("{{item}}", "only in the prompt of a step with for_each"),
        ("{{steps.plan}}", "has to be {{steps.plan.output}}"),
        ("{{steps.plan.outputs}}", "Only a step with for_each has outputs"),
        ("{{steps.pla.output}}", "Did you mean {{plan}}?"),
    ],
)
def test_a_reference_to_nothing_is_refused_with_near_names(text: str, words: str) -> None:
    (found,) = problems(step("plan"), step("code", text), inputs={"topic": {}})
    assert found.startswith("Step “code”: ")
    assert words in found


def test_all_that_is_wrong_is_listed() -> None:
    found = problems(
        step("a", "{{previous}}"),
        step("b", depends_on=["x"], after=["y"]),
        step("c", condition="{{a}}"),
        step("d", "{{e}}"),
    )
    assert len(found) == 5


def test_what_is_escaped_or_no_name_is_text() -> None:
    assert edges(step("a", r"\{{nothing}} {{ not a name }} {{}} {x}")) == {"a": []}


@given(st.data())
def test_every_step_stands_after_all_that_it_needs(data: st.DataObject) -> None:
    names = [f"s_{number}" for number in range(data.draw(st.integers(1, 8)))]
    steps = []
    for name in names:
        others = data.draw(st.lists(st.sampled_from(names), max_size=3))
        quoted = data.draw(st.booleans())
        needs: dict[str, Any] = {} if quoted else {"depends_on": others} if others else {}
        steps.append(
            step(name, " ".join(f"{{{{{each}}}}}" for each in others) if quoted and others else "Do it.", **needs)
        )
    try:
        planned = plan(read({"name": "w", "steps": steps}))
    except InvalidWorkflow:
        return
    assert sorted(each.step.name for each in planned) == sorted(names)
    assert all(need < place for place, each in enumerate(planned) for need in (*each.needs, *each.after))


def test_nobody_is_told_of_thousands_of_mistakes() -> None:
    """Each with the names that may have been meant, they would keep the server busy for hours."""
    wrong = " ".join(f"{{{{stp_{number}}}}}" for number in range(5_000))
    names = [f"step_{number}" for number in range(100)]
    for field, value in (("input", wrong), ("depends_on", [f"stp_{number}" for number in range(5_000)])):
        steps = [{"name": name, "input": "x", field: value} for name in names]
        with pytest.raises(InvalidWorkflow) as refused:
            plan(read({"name": "w", "steps": steps}))
        assert len(refused.value.problems) == MOST_PROBLEMS


def test_a_mistake_that_stands_twice_is_told_once() -> None:
    with pytest.raises(InvalidWorkflow) as refused:
        plan(read({"name": "w", "steps": [{"name": "a", "input": "{{b}} {{b}}"}]}))
    assert len(refused.value.problems) == 1

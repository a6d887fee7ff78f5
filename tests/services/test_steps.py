"""Steps of a run: they wait, are filled in, skipped or ended by what came before."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.errors import Conflict, Refused
from orchestration.models import Agent, Node, Run, Task
from orchestration.permissions import Actor
from orchestration.policy.states import RunKind
from orchestration.services import setbacks, steps, tasks
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run
from tests.services.conftest import Answer, Give

Complete = Callable[[Task], None]


def _fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def _fail(begin: Give, task: Task) -> None:
    job = begin(task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Refused("bad option", status=400))


def _promote() -> int:
    return steps.promote(now=timezone.now())


def test_a_step_waits_for_the_one_before(submit: Callable[..., Run], complete: Complete) -> None:
    one, two, three = submit("one", "two", "three", sequential=True).tasks.order_by("position")
    assert [step.status for step in (one, two, three)] == ["pending", "blocked", "blocked"]
    assert _promote() == 0
    complete(one)
    assert _promote() == 1
    assert (_fresh(two).status, _fresh(three).status) == ("pending", "blocked")
    assert _fresh(two).ready_at is not None


def test_a_failed_step_ends_those_after_it_with_words(submit: Callable[..., Run], begin: Give) -> None:
    one, two, three = submit("one", "two", "three", sequential=True).tasks.order_by("position")
    _fail(begin, one)
    while _promote():
        pass
    assert [_fresh(step).status for step in (two, three)] == ["cancelled", "cancelled"]
    assert _fresh(two).error == "Step 1 “one” failed, so this one was not started."
    assert _fresh(two).error_code == "dependency_failed"


def test_what_can_never_start_ends_at_once_with_few_statements(workflow: Any, begin: Give) -> None:
    """As the requests of a benchmark: each needs the first one, and comes after the one before it."""
    rest = [(f"s{number}", "x", {"needs": [0], "after": [number]}) for number in range(1, 40)]
    first, *others = workflow(("s0", "x", {}), ("s1", "x", {"needs": [0]}), *[(f"r{n}", t, f) for n, t, f in rest])
    _fail(begin, first)
    with CaptureQueriesContext(connection) as asked:
        assert _promote() == len(others)
    assert len(asked) < 30
    assert {(_fresh(step).status, _fresh(step).error_code) for step in others} == {("cancelled", "dependency_failed")}


def test_steps_end_with_the_one_that_each_of_them_needs(workflow: Any, begin: Give) -> None:
    one, two, *others = workflow(
        ("one", "x", {}), ("two", "x", {}), ("a", "x", {"needs": [0]}), ("b", "x", {"needs": [1]})
    )
    _fail(begin, one)
    _fail(begin, two)
    _promote()
    assert [_fresh(step).error.split()[2] for step in others] == ["“one”", "“two”"]


def test_all_steps_behind_a_failed_one_end_in_one_pass(submit: Callable[..., Run], begin: Give) -> None:
    one, *others = submit(*[str(number) for number in range(30)], sequential=True).tasks.order_by("position")
    _fail(begin, one)
    assert _promote() == len(others)
    last = _fresh(others[-1])
    assert (last.status, last.error_code) == ("cancelled", "dependency_failed")
    assert last.ended_at is not None
    assert last.duration_seconds is not None


def test_steps_behind_one_that_is_deleted_at_once_do_not_wait_for_ever(
    submit: Callable[..., Run], begin: Give, as_bob: Actor
) -> None:
    one, two = submit("one", "two", sequential=True).tasks.order_by("position")
    _fail(begin, one)
    tasks.delete_ended(actor=as_bob, task_ids=[one.pk])
    _promote()
    assert (_fresh(two).status, _fresh(two).error_code) == ("cancelled", "dependency_failed")


def test_many_steps_become_ready_in_a_fixed_number_of_statements(
    submit: Callable[..., Run], complete: Complete
) -> None:
    def statements(runs: int) -> int:
        for run in [submit("one", "two", sequential=True) for _ in range(runs)]:
            complete(run.tasks.get(position=0))
        with CaptureQueriesContext(connection) as asked:
            assert _promote() == runs
        return len([query for query in asked if "orchestration_task" in query["sql"]])

    assert statements(1) == statements(6)


def test_a_run_that_goes_on_after_errors_goes_on(submit: Callable[..., Run], begin: Give) -> None:
    one, two = submit("one", "two", sequential=True, continue_on_error=True).tasks.order_by("position")
    _fail(begin, one)
    assert _promote() == 1
    assert _fresh(two).status == "pending"


def test_a_step_that_is_tried_again_does_not_end_those_after_it(
    submit: Callable[..., Run], begin: Give, complete: Complete, as_bob: Actor
) -> None:
    one, two = submit("one", "two", sequential=True).tasks.order_by("position")
    job = begin(one)
    setbacks.give_back(attempt_id=job.attempt_id, token=job.token, reason="the worker stops")
    assert _promote() == 0
    assert _fresh(two).status == "blocked"


# Filling in -----------------------------------------------------------------------------------------------------------


def test_a_step_is_filled_in_once_with_what_came_before(workflow: Any, answer: Answer) -> None:
    names = {"plan": 0, "steps.plan.output": 0}
    plan, code = workflow(
        ("plan", "Plan {{input.what}}", {"template": {}, "after": ()}),
        ("code", "{{plan}} / {{input.what}} / {{steps.plan.output}}", {"needs": [0], "template": {"names": names}}),
        inputs={"what": "{{plan}}"},
    )
    answer(plan, "{{input.what}} {{code}}")
    assert _promote() == 1
    assert _fresh(code).input == "{{input.what}} {{code}} / {{plan}} / {{input.what}} {{code}}"
    assert _fresh(code).status == "pending"


def test_a_chain_passes_on_literally_what_looks_like_a_placeholder(
    agent: Agent, node: Node, as_bob: Actor, answer: Answer
) -> None:
    specs = [TaskSpec(type="generate", input="a"), TaskSpec(type="generate", input="Now: {{previous}} {{step1}}")]
    run = tasks.submit(actor=as_bob, agent=agent, specs=specs, sequential=True)
    one, two = run.tasks.order_by("position")
    answer(one, "{{step1}} and {{plan}}")
    _promote()
    assert _fresh(two).input == "Now: {{step1}} and {{plan}} {{step1}} and {{plan}}"


def test_messages_and_system_prompts_are_filled_in(workflow: Any, answer: Answer, agent: Agent, as_bob: Actor) -> None:
    messages = [{"role": "user", "content": "Say {{a}}"}]
    specs = [
        TaskSpec(type="generate", step="a", input="x"),
        TaskSpec(
            type="chat",
            messages=messages,
            needs=[0],
            template={"messages": messages, "system": "You know {{a}}.", "names": {"a": 0}},
        ),
    ]
    run = submit_run(actor=as_bob, agent=agent, specs=specs, plan=RunPlan(kind=RunKind.WORKFLOW))
    one, two = run.tasks.order_by("position")
    answer(one, "rain")
    _promote()
    assert _fresh(two).messages == [{"role": "user", "content": "Say rain"}]
    assert _fresh(two).system_prompt == "You know rain."


def test_a_step_that_grew_gets_the_context_it_needs(workflow: Any, answer: Answer) -> None:
    one, two = workflow(("a", "x", {}), ("b", "{{a}}", {"needs": [0], "template": {"names": {"a": 0}}}))
    assert two.lane.num_ctx == 4096
    answer(one, "word " * 20_000)
    _promote()
    assert _fresh(two).lane.num_ctx > 16_000
    assert "context" in _fresh(two).message


def test_what_becomes_too_long_fails_alone(workflow: Any, answer: Answer, settings: Any) -> None:
    settings.DROVER_MAX_PROMPT_CHARS = 100
    one, two, three = workflow(
        ("a", "x", {}),
        ("b", "{{a}}", {"needs": [0], "template": {"names": {"a": 0}}}),
        ("c", "y", {"needs": [0]}),
    )
    answer(one, "z" * 101)
    _promote()
    assert (_fresh(two).status, _fresh(three).status) == ("failed", "pending")
    assert "101 characters; at most 100" in _fresh(two).error


def test_a_fault_of_ours_in_one_step_stops_no_other(workflow: Any, answer: Answer, monkeypatch: Any) -> None:
    fields = {"needs": [0], "template": {"names": {"a": 0}}}
    one, two, three = workflow(("a", "x", {}), ("b", "{{a}}", fields), ("c", "y", {"needs": [0]}))
    answer(one, "z")
    monkeypatch.setattr(steps.Answers, "for_step", lambda answers, task: {}["missing"])
    _promote()
    assert (_fresh(two).status, _fresh(two).error_code) == ("failed", "internal_error")
    assert _fresh(three).status == "pending"


# Conditions -----------------------------------------------------------------------------------------------------------


def test_a_step_whose_condition_does_not_hold_is_skipped_and_those_behind_it_go_on(
    workflow: Any, answer: Answer
) -> None:
    condition = '{{a}} contains "yes"'
    one, two, three = workflow(
        ("a", "x", {}),
        ("b", "{{a}}", {"needs": [0], "template": {"names": {"a": 0}, "condition": condition}}),
        ("c", "[{{b}}]", {"needs": [1], "template": {"names": {"b": 1}}}),
    )
    answer(one, "no")
    _promote()
    skipped = _fresh(two)
    assert (skipped.status, skipped.output, skipped.skipped_because) == ("completed", "", f"Not so: {condition}")
    assert (_fresh(three).status, _fresh(three).input) == ("pending", "[]")


def test_a_step_whose_condition_holds_runs(workflow: Any, answer: Answer) -> None:
    fields = {"needs": [0], "template": {"names": {"a": 0}, "condition": "{{a}} > 3"}}
    one, two = workflow(("a", "x", {}), ("b", "y", fields))
    answer(one, "4")
    _promote()
    assert _fresh(two).status == "pending"


# Ends that do not matter ----------------------------------------------------------------------------------------------


def test_a_step_that_waits_for_the_end_only_starts_after_a_failure(workflow: Any, begin: Give) -> None:
    one, two = workflow(("a", "x", {}), ("b", "y", {"after": [0]}))
    _fail(begin, one)
    _promote()
    assert _fresh(two).status == "pending"


def test_independent_branches_complete_beside_a_failed_one(workflow: Any, begin: Give) -> None:
    one, _, left, right, last = workflow(
        ("a", "x", {}),
        ("b", "y", {}),
        ("left", "l", {"needs": [0]}),
        ("right", "r", {"needs": [1]}),
        ("last", "z", {"needs": [2, 3]}),
    )
    _fail(begin, one)
    _promote()
    assert [_fresh(step).status for step in (left, right, last)] == ["cancelled", "blocked", "cancelled"]
    assert "Step 1 “a” failed" in _fresh(last).error


# Retries --------------------------------------------------------------------------------------------------------------


def test_a_step_cannot_be_retried_before_the_one_it_needs(workflow: Any, begin: Give, as_bob: Actor) -> None:
    one, two = workflow(("a", "x", {}), ("b", "{{a}}", {"needs": [0], "template": {"names": {"a": 0}}}))
    _fail(begin, one)
    _promote()
    with pytest.raises(Conflict, match="Step 1 “a” failed"):
        tasks.retry(actor=as_bob, task_id=two.pk)
    assert _fresh(two).status == "cancelled"


def test_a_retried_step_is_filled_in_anew(workflow: Any, answer: Answer, begin: Give, as_bob: Actor) -> None:
    one, two = workflow(("a", "x", {}), ("b", "{{a}}", {"needs": [0], "template": {"names": {"a": 0}}}))
    answer(one, "first")
    _promote()
    _fail(begin, two)
    assert tasks.retry(actor=as_bob, task_id=two.pk).status == "pending"
    assert _fresh(two).input == "first"


def test_a_step_that_quotes_a_deleted_one_fails_with_words(
    workflow: Any, answer: Answer, begin: Give, as_bob: Actor
) -> None:
    """With nothing in the place of its answer it would ask something else."""
    one, two, three = workflow(
        ("one", "x", {}),
        ("two", "x", {}),
        ("three", "{{one}} {{two}}", {"needs": [0, 1], "template": {"names": {"one": 0, "two": 1}}}),
    )
    answer(one, "a")
    _promote()
    tasks.delete_ended(actor=as_bob, task_ids=[one.pk])
    answer(two, "b")
    _promote()
    assert (_fresh(three).status, _fresh(three).error) == (
        "failed",
        "Step 1, which {{one}} quotes, has been deleted.",
    )

"""Fan-out: one task of each item of a list, and the step that waits for all of them."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.errors import Conflict, Refused, Unprocessable
from orchestration.models import Agent, Node, Task
from orchestration.permissions import Actor
from orchestration.policy import passages as cutting
from orchestration.policy.states import RunKind
from orchestration.services import fanout, setbacks, steps, tasks
from orchestration.services import passages as passages_service
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run
from tests.services.conftest import Answer, Give


@pytest.fixture
def step(agent: Agent, node: Node, as_bob: Actor) -> Task:
    template = {"input": "Name {{item}}", "names": {}, "for_each": "{{input.list}}"}
    specs = [
        TaskSpec(type="generate", input="x"),
        TaskSpec(type="generate", step="each", input="Name {{item}}", after=[0], template=template, tags=["t"]),
    ]
    plan = RunPlan(kind=RunKind.WORKFLOW, inputs={"list": ["a", "b"]})
    return submit_run(actor=as_bob, agent=agent, specs=specs, plan=plan).tasks.get(step="each")


def test_items_are_tasks_like_their_step(step: Task) -> None:
    fanout.spread(step, {"input.list": '["a", "b"]'}, timezone.now())
    items = list(step.items.order_by("pk"))
    assert [(item.step, item.title, item.lane_id, item.tags, item.awaited) for item in items] == [
        ("each[1]", "a", step.lane_id, ["t"], True),
        ("each[2]", "b", step.lane_id, ["t"], True),
    ]
    assert {edge.needs_id for edge in step.dependencies.filter(soft=True)} >= {item.pk for item in items}


def test_items_keep_the_extension_of_their_step(step: Task) -> None:
    Task.objects.filter(pk=step.pk).update(extension="polite")
    fanout.spread(Task.objects.get(pk=step.pk), {"input.list": '["a", "b"]'}, timezone.now())
    assert set(step.items.values_list("extension", flat=True)) == {"polite"}


@pytest.mark.parametrize(("most", "count"), [(2, 3), (None, fanout.MOST_ITEMS + 1)])
def test_too_many_items_are_refused(most: int | None, count: int, step: Task) -> None:
    step.template["most"] = most
    values: dict[str, Any] = {"input.list": "\n".join(f"line {number}" for number in range(count))}
    with pytest.raises(Unprocessable, match=f"{count:,} items"):
        fanout.spread(step, values, timezone.now())
    assert step.items.count() == 0


# Among other steps ----------------------------------------------------------------------------------------------------


def _fresh(task: Task) -> Task:
    return Task.objects.get(pk=task.pk)


def _fail(begin: Give, task: Task) -> None:
    job = begin(task)
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=Refused("bad option", status=400))


def _promote() -> int:
    return steps.promote(now=timezone.now())


def _fan(parallel: int | None = None, **fields: Any) -> tuple[tuple[str, str, dict[str, Any]], ...]:
    template = {"names": {"list": 0}, "for_each": "{{list}}", "parallel": parallel, **fields}
    return (
        ("list", "x", {}),
        ("each", "{{index}}: {{item}}", {"needs": [0], "template": template}),
        (
            "join",
            "{{each}} {{steps.each.outputs}}",
            {"needs": [1], "template": {"names": {"each": 1, "steps.each.outputs": 1}}},
        ),
    )


def test_a_fan_out_makes_one_task_of_each_item_and_joins_their_answers(workflow: Any, answer: Answer) -> None:
    first, each, last = workflow(*_fan())
    answer(first, '["a", "b", "c"]')
    _promote()
    items = list(each.items.order_by("pk"))
    assert [(item.step, item.input, item.status) for item in items] == [
        ("each[1]", "1: a", "pending"),
        ("each[2]", "2: b", "pending"),
        ("each[3]", "3: c", "pending"),
    ]
    for item in reversed(items):
        answer(item, item.input.upper())
        _promote()
    assert (_fresh(each).status, _fresh(each).output) == ("completed", "1: A\n\n2: B\n\n3: C")
    assert _fresh(last).input == '1: A\n\n2: B\n\n3: C ["1: A", "2: B", "3: C"]'


def test_a_fan_out_runs_so_many_items_at_once(workflow: Any, answer: Answer) -> None:
    first, each, _ = workflow(*_fan(parallel=2))
    answer(first, "- a\n- b\n- c")
    _promote()
    one, two, three = each.items.order_by("pk")
    assert [item.status for item in (one, two, three)] == ["pending", "pending", "blocked"]
    answer(one, "x")
    _promote()
    assert _fresh(three).status == "pending"


def test_failed_items_fail_the_step_by_name_and_a_retry_does_them_again(
    workflow: Any, answer: Answer, begin: Give, as_bob: Actor
) -> None:
    first, each, last = workflow(*_fan())
    answer(first, '["a", "b"]')
    _promote()
    one, two = each.items.order_by("pk")
    answer(one, "fine")
    _fail(begin, two)
    _promote()
    assert (_fresh(each).status, _fresh(each).error) == ("failed", "1 of 2 items did not complete: each[2]")
    assert _fresh(last).status == "cancelled"
    assert tasks.retry(actor=as_bob, task_id=each.pk).status == "blocked"
    assert (_fresh(one).status, _fresh(two).status) == ("completed", "pending")
    answer(two, "now")
    _promote()
    assert (_fresh(each).status, _fresh(each).output) == ("completed", "fine\n\nnow")


def test_an_item_done_again_takes_its_step_with_it(workflow: Any, answer: Answer, begin: Give, as_bob: Actor) -> None:
    first, each, _ = workflow(*_fan())
    answer(first, '["a", "b"]')
    _promote()
    one, two = each.items.order_by("pk")
    answer(one, "fine")
    _fail(begin, two)
    _promote()
    tasks.retry(actor=as_bob, task_id=two.pk)
    assert _fresh(each).status == "blocked"
    answer(_fresh(two), "now")
    _promote()
    assert (_fresh(each).status, _fresh(each).output) == ("completed", "fine\n\nnow")


def test_items_are_cancelled_with_their_step_which_stays_until_they_have_ended(
    workflow: Any, answer: Answer, begin: Give, as_bob: Actor
) -> None:
    first, each, _ = workflow(*_fan())
    answer(first, '["a", "b"]')
    _promote()
    one, two = each.items.order_by("pk")
    begin(one)
    tasks.cancel(actor=as_bob, task_id=each.pk)
    assert _fresh(one).cancel_requested_at is not None
    assert (_fresh(two).status, _fresh(each).status) == ("cancelled", "cancelled")
    with pytest.raises(Conflict):
        tasks.delete_ended(actor=as_bob, task_ids=[each.pk])


def test_an_empty_list_is_no_mistake(workflow: Any, answer: Answer) -> None:
    first, each, last = workflow(*_fan())
    answer(first, "[]")
    _promote()
    assert (_fresh(each).status, _fresh(each).output, _fresh(last).status) == ("completed", "", "pending")


def test_too_long_a_list_fails_with_its_number(workflow: Any, answer: Answer) -> None:
    first, each, _ = workflow(*_fan(most=2))
    answer(first, "[1, 2, 3]")
    _promote()
    assert (_fresh(each).status, _fresh(each).error) == ("failed", "The list has 3 items; at most 2 are taken.")


def test_a_run_has_no_more_steps_than_it_may(workflow: Any, answer: Answer) -> None:
    first, each, _ = workflow(*_fan(), max_steps=4)
    answer(first, "[1, 2]")
    _promote()
    assert "more than the 4 that the run may have" in _fresh(each).error


def test_a_list_that_would_be_too_long_is_never_made(workflow: Any, answer: Answer) -> None:
    first, each, _ = workflow(*_fan(for_each="{{list}}" * 1_000_000))
    answer(first, "x" * 1_000_000)
    _promote()
    assert (_fresh(each).status, "at most" in _fresh(each).error) == ("failed", True)


@pytest.mark.parametrize("items", ["[NaN, 1e999]", r'["a\u0000", "\ud800"]', "[" * 1500 + "]" * 1500])
def test_no_list_stops_the_scheduler(items: str, workflow: Any, answer: Answer) -> None:
    first, each, _ = workflow(*_fan())
    answer(first, items)
    _promote()
    assert each.items.count() >= 1


def test_what_the_database_refuses_ends_its_step_alone(
    workflow: Any, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, each, _ = workflow(*_fan())
    answer(first, '["a"]')
    monkeypatch.setattr(fanout, "items_of", lambda text: [float("nan")])
    _promote()
    assert (_fresh(each).status, _fresh(each).error_code) == ("failed", "internal_error")


def test_a_run_has_no_more_tasks_than_a_request_may(workflow: Any, answer: Answer, settings: Any) -> None:
    first, each, _ = workflow(*_fan())
    settings.DROVER_MAX_TASKS_PER_REQUEST = 4
    answer(first, "[1, 2]")
    _promote()
    assert "more than the 4 that the run may have" in _fresh(each).error


def test_many_items_share_what_they_quote(workflow: Any, answer: Answer) -> None:
    template = {"names": {"list": 0, "long": 1}, "for_each": "{{list}}"}
    first, long, each = workflow(
        ("list", "x", {}), ("long", "x", {}), ("each", "{{long}} {{item}}", {"needs": [0, 1], "template": template})
    )
    answer(first, str(list(range(100))))
    answer(long, "word " * 5_000)
    with CaptureQueriesContext(connection) as asked:
        _promote()
    written = [query for query in asked if "SAVEPOINT" not in query["sql"]]
    assert len(written) < 160
    assert {(item.lane.num_ctx, item.status) for item in each.items.select_related("lane")} == {(8192, "pending")}


def test_many_items_have_fewer_passages_to_choose_from(workflow: Any, answer: Answer) -> None:
    """Two thousand for each of a thousand would take gigabytes, and minutes in which nothing else starts."""
    passages = [cutting.Passage(text=f"word{n}", start=0, end=5).as_json() for n in range(400)]
    papers = {"candidates": passages, "budget": 100, "total": 400, "scores": None}
    first, each, _ = workflow(*_fan(documents=papers))
    answer(first, str(list(range(100))))
    _promote()
    item = each.items.first()
    assert len(item.template["documents"]["candidates"]) == passages_service.PASSAGES_OF_A_FAN_OUT // 100
    assert len(_fresh(each).template["documents"]["candidates"]) == 400


def test_items_of_objects_have_fields(workflow: Any, answer: Answer) -> None:
    template = {"names": {"list": 0}, "for_each": "{{list}}"}
    first, each = workflow(("list", "x", {}), ("each", "{{item.city}}", {"needs": [0], "template": template}))
    answer(first, '```json\n[{"city": "Rome"}]\n```')
    _promote()
    assert each.items.get().input == "Rome"

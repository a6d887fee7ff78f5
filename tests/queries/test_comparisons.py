"""Comparisons as they are read: by those who voted, by those who did not, and of tasks of other runs."""

from collections.abc import Callable

import pytest

from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Agent, Node, Run, Task
from orchestration.permissions import Actor
from orchestration.queries import comparisons as queries
from orchestration.services.comparisons import Asked, Column, start, vote
from tests.services.measuring import finish

pytestmark = pytest.mark.usefixtures("redis_server")

LLAMA, QWEN = "llama3.2:latest", "qwen3:8b"


@pytest.fixture
def run(as_bob: Actor, make_agent: Callable[..., Agent], make_node: Callable[..., Node]) -> Run:
    make_node("gpu-a", models=(LLAMA, QWEN))
    asked = Asked(prompts=["Why?", "How?"], columns=[Column(LLAMA), Column(QWEN)], title="Two")
    return start(actor=as_bob, agent=make_agent("anyone", models=[]), asked=asked)


def test_before_the_end_nobody_knows_whether_answers_differ(run: Run, as_bob: Actor) -> None:
    found = queries.comparison(run.pk, viewer_id=as_bob.user_id)
    assert [row["different"] for row in found["rows"]] == [None, None]
    assert (found["status"], found["title"], found["owner"]) == ("pending", "Two", "bob")


def test_a_failed_answer_differs_from_an_empty_one_and_is_never_best(run: Run, as_bob: Actor) -> None:
    finish(run)
    Task.objects.filter(run=run, position=0).update(status="failed", output="", decode_seconds=0.1)
    Task.objects.filter(run=run, position=1).update(output="")
    (row, _) = queries.comparison(run.pk, viewer_id=as_bob.user_id)["rows"]
    assert (row["different"], row["best"]) == (True, {})


def test_each_viewer_has_an_order_of_their_own_when_blind(run: Run, as_bob: Actor) -> None:
    finish(run)
    orders = {
        tuple(answer["task_id"] for row in found["rows"] for answer in row["answers"])
        for viewer in range(1, 12)
        if (found := queries.comparison(run.pk, viewer_id=viewer, blind=True))
    }
    assert len(orders) > 1
    again = [queries.comparison(run.pk, viewer_id=3, blind=True) for _ in range(2)]
    assert again[0] == again[1]


def test_votes_are_counted_by_column_for_those_who_voted(run: Run, as_bob: Actor, as_dave: Actor) -> None:
    finish(run)
    first, second, third, _ = run.tasks.order_by("position")
    vote(actor=as_bob, run_id=run.pk, row=0, task_id=second.pk)
    vote(actor=as_dave, run_id=run.pk, row=0, task_id=first.pk)
    vote(actor=as_dave, run_id=run.pk, row=1, task_id=third.pk)
    assert queries.comparison(run.pk, viewer_id=as_bob.user_id)["wins"] == [1, 1]
    assert queries.comparison(run.pk, viewer_id=as_dave.user_id)["wins"] == [2, 1]
    assert queries.comparison(run.pk, viewer_id=None)["wins"] == [0, 0]


def test_reading_costs_the_same_however_many_rows(
    run: Run, as_bob: Actor, django_assert_num_queries: Callable[..., object]
) -> None:
    with django_assert_num_queries(4):
        queries.comparison(run.pk, viewer_id=as_bob.user_id)


def test_prompts_of_a_chat_are_what_the_user_said(submit: Callable[..., Run]) -> None:
    task = submit("x").tasks.get()
    said = [{"role": "system", "content": "no"}, {"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    assert queries.prompt_of(Task(messages=said)) == "a\n\nb"
    assert (queries.prompt_of(task), queries.prompt_of(Task(input=["a", "b"]))) == ("x", "a\nb")


def test_tasks_are_put_side_by_side_in_the_order_asked(submit: Callable[..., Run]) -> None:
    first, second = submit("x").tasks.get(), submit("y", type="generate").tasks.get()
    found = queries.side_by_side([second.pk, first.pk, second.pk])
    assert [answer["task_id"] for answer in found["rows"][0]["answers"]] == [second.pk, first.pk]
    assert found["rows"][0]["prompt"] == ""
    with pytest.raises(InvalidInput):
        queries.side_by_side([first.pk, first.pk])
    with pytest.raises(NotFound):
        queries.side_by_side([first.pk, 999])


def test_the_list_names_columns_and_rows(run: Run) -> None:
    (row,), _ = queries.comparisons()
    assert (row["rows"], [column["model"] for column in row["columns"]]) == (2, [LLAMA, QWEN])


def test_what_is_no_comparison_is_not_found(submitted_task: Task) -> None:
    with pytest.raises(NotFound):
        queries.get_comparison(submitted_task.run_id)

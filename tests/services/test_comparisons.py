"""Comparisons: cells, pins, votes."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.errors import Conflict, InvalidInput, ModelUnavailable, NotAllowed, NotFound, Unprocessable
from orchestration.models import Agent, AuditEntry, Node, Run, Vote
from orchestration.permissions import Actor
from orchestration.services.comparisons import Asked, Column, start, vote

from .measuring import finish

LLAMA, QWEN = "llama3.2:latest", "qwen3:8b"


@pytest.fixture
def compare(as_bob: Actor, make_agent: Callable[..., Agent], make_node: Callable[..., Node]) -> Callable[..., Run]:
    make_node("gpu-a", models=(LLAMA, QWEN))
    anyone = make_agent("anyone", models=[], system_prompt="Be brief.")

    def begin(*prompts: str, **fields: Any) -> Run:
        columns = fields.pop("columns", [Column("llama3.2"), Column(QWEN, "gpu-a")])
        asked = Asked(prompts=prompts or ["Why?"], columns=columns, **fields)
        return start(actor=as_bob, agent=anyone, asked=asked)

    return begin


def test_cells_are_tasks_row_by_row_and_pinned_where_a_node_is_named(compare: Callable[..., Run]) -> None:
    run = compare("Why?", "How?", parameters={"temperature": 0})
    cells = list(run.tasks.order_by("position").select_related("lane__node"))
    assert [(task.input, task.model_name) for task in cells] == [
        ("Why?", LLAMA), ("Why?", QWEN), ("How?", LLAMA), ("How?", QWEN)
    ]  # fmt: skip
    assert [task.lane.node and task.lane.node.name for task in cells] == [None, "gpu-a", None, "gpu-a"]
    assert {task.system_prompt for task in cells} == {"Be brief."}
    assert (run.kind, run.title) == ("comparison", "Why?")
    assert run.spec["columns"] == [{"model": LLAMA, "node": None}, {"model": QWEN, "node": "gpu-a"}]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"columns": [Column("llama3.2")]}, InvalidInput),
        ({"columns": [Column("llama3.2"), Column(LLAMA)]}, InvalidInput),
        ({"columns": [Column("llama3.2"), Column(" ")]}, InvalidInput),
        ({"columns": [Column("llama3.2"), Column("codellama")]}, ModelUnavailable),
        ({"columns": [Column("llama3.2"), Column("codellama", "gpu-a")]}, Unprocessable),
        ({"columns": [Column("llama3.2"), Column(QWEN, "gpu-z")]}, NotFound),
    ],
)
def test_what_cannot_be_compared_is_refused(
    compare: Callable[..., Run], fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        compare(**fields)
    with pytest.raises(InvalidInput):
        compare(" ")


def test_one_vote_for_each_person_and_row(compare: Callable[..., Run], as_bob: Actor, as_dave: Actor) -> None:
    run = compare("Why?", "How?")
    finish(run)
    first, second, third, _ = run.tasks.order_by("position")
    vote(actor=as_bob, run_id=run.pk, row=0, task_id=first.pk, blind=True)
    vote(actor=as_bob, run_id=run.pk, row=1, task_id=third.pk)
    vote(actor=as_dave, run_id=run.pk, row=0, task_id=first.pk)
    assert Vote.objects.count() == 3
    assert vote(actor=as_bob, run_id=run.pk, row=0, task_id=first.pk).blind is True
    assert vote(actor=as_bob, run_id=run.pk, row=0, task_id=second.pk, blind=True).blind is False
    assert Vote.objects.count() == 3
    assert AuditEntry.objects.filter(action="comparison.voted").count() == 4


def test_only_a_complete_answer_of_that_row_can_be_best(compare: Callable[..., Run], as_bob: Actor) -> None:
    run = compare("Why?", "How?")
    first, _, third, _ = run.tasks.order_by("position")
    with pytest.raises(Conflict):
        vote(actor=as_bob, run_id=run.pk, row=0, task_id=first.pk)
    with pytest.raises(NotFound):
        vote(actor=as_bob, run_id=run.pk, row=0, task_id=third.pk)
    with pytest.raises(NotFound):
        vote(actor=as_bob, run_id=run.pk + 1, row=0, task_id=first.pk)


def test_viewers_neither_start_nor_vote(compare: Callable[..., Run], as_carol: Actor) -> None:
    run = compare()
    finish(run)
    with pytest.raises(NotAllowed):
        vote(actor=as_carol, run_id=run.pk, row=0, task_id=run.tasks.all()[0].pk)
    asked = Asked(prompts=["Why?"], columns=[Column(LLAMA), Column(QWEN)])
    with pytest.raises(NotAllowed):
        start(actor=as_carol, agent=Agent.objects.get(), asked=asked)
    assert not Vote.objects.exists()

"""Tasks: moved by one statement that looks first, listed without what is large."""

import pytest
from django.db import connection
from django.db import models as db
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from orchestration.models import Lane, Run, Task, TaskDependency, User
from orchestration.models.tasks import Move
from orchestration.payloads import task_row
from orchestration.policy.states import TaskStatus, can_move
from tests.models.conftest import MakeTask, Refused

TOKEN, OTHER = "a" * 32, "b" * 32


@pytest.mark.parametrize("target", list(TaskStatus))
def test_a_task_moves_along_legal_edges_only_and_each_move_is_a_version(
    make_task: MakeTask, target: TaskStatus
) -> None:
    for source in TaskStatus:
        task = make_task(source)
        moved = Task.objects.transition(task.pk, target, message="moved")
        task.refresh_from_db()
        assert moved == can_move(source, target)
        expected = (target, 1, "moved") if moved else (source, 0, "")
        assert (task.status, task.version, task.message) == expected


def test_of_two_moves_of_one_task_the_second_changes_nothing(make_task: MakeTask) -> None:
    task = make_task("assigned")
    assert Task.objects.transition(task.pk, TaskStatus.RUNNING, message="one")
    assert not Task.objects.transition(task.pk, TaskStatus.RUNNING, message="two")
    task.refresh_from_db()
    assert (task.message, task.version) == ("one", 1)


@pytest.mark.parametrize(("held_by", "moves"), [(TOKEN, True), (OTHER, False), (None, True)])
def test_a_task_is_moved_by_the_attempt_that_holds_it(make_task: MakeTask, held_by: str | None, moves: bool) -> None:
    task = make_task("running", token=TOKEN)
    assert Task.objects.transition(task.pk, TaskStatus.COMPLETED, held_by=held_by, output="text") is moves
    task.refresh_from_db()
    assert (task.status, task.output, task.token) == (("completed", "text", TOKEN) if moves else ("running", "", TOKEN))


def test_the_right_token_does_not_open_an_illegal_edge(make_task: MakeTask) -> None:
    task = make_task("completed", token=TOKEN)
    assert not Task.objects.transition(task.pk, TaskStatus.RUNNING, held_by=TOKEN)


def test_many_tasks_move_at_once_each_to_its_own_values_and_only_those_that_may(make_task: MakeTask) -> None:
    one, two = make_task("running", token=TOKEN), make_task("running", token=OTHER)
    ended, lost = make_task("completed", token=TOKEN), make_task("running", token=OTHER)
    moves = [
        Move(one.pk, TOKEN, {"output": "first", "tool_calls": [{"name": "look"}], "vectors": None, "token": ""}),
        Move(two.pk, OTHER, {"output": "second", "tool_calls": [], "vectors": [[0.5]], "token": ""}),
        Move(ended.pk, TOKEN, {"output": "third", "tool_calls": [], "vectors": None, "token": ""}),
        Move(lost.pk, TOKEN, {"output": "fourth", "tool_calls": [], "vectors": None, "token": ""}),
    ]
    with CaptureQueriesContext(connection) as queries:
        assert Task.objects.transition_each(TaskStatus.COMPLETED, moves) == 2
    assert len(queries) == 1
    found = {task.pk: task for task in Task.objects.all()}
    assert [(found[task.pk].status, found[task.pk].output) for task in (one, two)] == [
        ("completed", "first"),
        ("completed", "second"),
    ]
    assert (found[one.pk].tool_calls, found[two.pk].vectors) == ([{"name": "look"}], [[0.5]])
    assert [found[task.pk].version for task in (one, two, ended, lost)] == [1, 1, 0, 0]
    assert (found[lost.pk].status, found[lost.pk].output, found[ended.pk].output) == ("running", "", "")
    assert Task.objects.transition_each(TaskStatus.COMPLETED, []) == 0


def test_a_late_attempt_cannot_end_a_task_that_another_holds(make_task: MakeTask) -> None:
    task = make_task("running", token=TOKEN)
    assert Task.objects.transition(task.pk, TaskStatus.PENDING, held_by=TOKEN, token="")
    assert Task.objects.transition(task.pk, TaskStatus.ASSIGNED, token=OTHER)
    assert Task.objects.transition(task.pk, TaskStatus.RUNNING, held_by=OTHER)
    assert not Task.objects.transition(task.pk, TaskStatus.COMPLETED, held_by=TOKEN, output="too late")
    task.refresh_from_db()
    assert (task.status, task.output, task.version) == ("running", "", 3)


def test_a_task_that_is_gone_or_another_is_not_moved(make_task: MakeTask) -> None:
    task, other = make_task(), make_task()
    assert not Task.objects.transition(other.pk + 1, TaskStatus.CANCELLED)
    assert Task.objects.transition(task.pk, TaskStatus.CANCELLED)
    other.refresh_from_db()
    assert (other.status, other.version) == ("pending", 0)


def test_many_move_in_one_statement_and_only_those_asked_for(make_task: MakeTask, dave: User) -> None:
    mine = [make_task(status) for status in ("blocked", "pending", "running", "completed", "cancelled")]
    other = make_task("pending", owner=dave)
    with CaptureQueriesContext(connection) as queries:
        moved = Task.objects.filter(owner=mine[0].owner).transition_all(TaskStatus.CANCELLED)
    assert (moved, len(queries)) == (3, 1)
    found = dict(Task.objects.values_list("pk", "status"))
    assert [found[task.pk] for task in mine] == ["cancelled", "cancelled", "cancelled", "completed", "cancelled"]
    assert found[other.pk] == "pending"


# Lists ----------------------------------------------------------------------------------------------------------------


def test_rows_of_a_list_cost_one_statement_whatever_their_number(make_task: MakeTask) -> None:
    for _ in range(5):
        make_task("completed", output="long text")
    with CaptureQueriesContext(connection) as queries:
        rows = [task_row(task) for task in Task.objects.light()]
    assert (len(rows), len(queries)) == (5, 1)
    assert {row["owner"] for row in rows} == {"bob"}


def test_a_list_reads_no_column_that_may_be_large(make_task: MakeTask) -> None:
    make_task()
    may_be_large = {f.attname for f in Task._meta.concrete_fields if isinstance(f, db.TextField | db.JSONField)}
    shown_in_rows_or_short = {"error", "tags", "think"}
    assert Task.objects.light().get().get_deferred_fields() == may_be_large - shown_in_rows_or_short


def test_what_a_list_left_out_is_there_when_asked_for(make_task: MakeTask) -> None:
    make_task(output="the text", input=["a", "b"])
    task = Task.objects.light().get()
    assert (task.output, task.input, task.lane.num_ctx) == ("the text", ["a", "b"], 4096)


# What belongs together ------------------------------------------------------------------------------------------------


def test_a_lane_with_tasks_cannot_be_deleted(make_task: MakeTask, lane: Lane) -> None:
    task = make_task()
    with pytest.raises(ProtectedError):
        lane.delete()
    task.delete()
    lane.delete()
    assert not Lane.objects.exists()


def test_a_lane_is_there_once(lane: Lane, refused: Refused) -> None:
    with refused():
        Lane.objects.create(key=lane.key, models=["phi4:latest"], num_ctx=8192)
    assert str(lane) == "llama3.2:latest at 4096"


def test_between_two_tasks_there_is_one_edge_in_each_direction(make_task: MakeTask, refused: Refused) -> None:
    one, two = make_task(), make_task()
    TaskDependency.objects.create(task=two, needs=one)
    with refused():
        TaskDependency.objects.create(task=two, needs=one)
    assert str(TaskDependency.objects.create(task=one, needs=two)) == f"{one.pk} needs {two.pk}"
    one.delete()
    assert not TaskDependency.objects.exists()


def test_a_task_outlives_its_owner_and_the_task_it_repeats(make_task: MakeTask, bob: User, run: Run) -> None:
    failed = make_task("failed")
    again = make_task(retried_from=failed)
    failed.delete()
    bob.delete()
    again.refresh_from_db()
    assert (again.retried_from_id, again.owner_id, again.run_id) == (None, None, run.pk)


def test_a_task_waits_since_it_could_start_or_else_since_it_was_made(make_task: MakeTask) -> None:
    task = make_task("blocked")
    assert task.waited_since == task.created_at
    task.ready_at = timezone.now()
    assert task.waited_since == task.ready_at


def test_the_newest_task_comes_first(make_task: MakeTask) -> None:
    first, second = make_task(), make_task()
    assert list(Task.objects.all()) == [second, first]
    assert str(second) == f"task {second.pk}: Name a river"


@pytest.mark.parametrize("said", ["", "🦙" * 3, ["a", "b"], "null", '{"a": 1}'])
def test_an_input_comes_back_as_it_was_given(make_task: MakeTask, said: object) -> None:
    assert Task.objects.get(pk=make_task(input=said).pk).input == said

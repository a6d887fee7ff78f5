"""Tasks in the admin: submitted, changed while they wait, cancelled, retried, deleted when they have ended."""

from collections.abc import Callable
from typing import Any

import pytest

from orchestration.models import Agent, AuditEntry, Node, Task
from orchestration.services import agents
from tests.admin.conftest import Person

FORM = {"type": "generate", "prompt": "Name a river.", "model_name": "", "priority": "0", "tags": "geo, short"}


def test_adding_a_task_submits_it(admin: Person, agent: Agent, node: Node) -> None:
    page = admin.send("task_add", agent=agent.pk, **FORM)
    task = Task.objects.get()
    assert (task.input, task.priority, task.tags, task.owner) == ("Name a river.", 0, ["geo", "short"], admin.user)
    assert "was added successfully" in page
    assert AuditEntry.objects.get(action="run.submitted").via == "admin"


def test_a_task_without_an_agent_goes_to_the_default_one(admin: Person, node: Node) -> None:
    agents.ensure_default()
    admin.send("task_add", agent="", **FORM)
    assert Task.objects.get().agent_name == "default"


def test_a_model_that_no_node_has_is_refused_with_the_prompt_kept(
    admin: Person, make_agent: Callable[..., Agent], node: Node
) -> None:
    absent = make_agent("absent", models=["nowhere:1b"])
    page = admin.send("task_add", agent=absent.pk, **FORM)
    assert "errorlist" in page
    assert "Name a river." in page
    assert not Task.objects.exists()
    assert not AuditEntry.objects.exists()


def test_an_empty_prompt_is_asked_for(admin: Person, agent: Agent, node: Node) -> None:
    assert "This field is required" in admin.send("task_add", agent=agent.pk, **{**FORM, "prompt": " "})
    assert not Task.objects.exists()


def test_the_bound_on_waiting_tasks_is_said_in_the_form(admin: Person, agent: Agent, node: Node, settings: Any) -> None:
    settings.DROVER_MAX_WAITING = 0
    assert "Try again when some are done" in admin.send("task_add", agent=agent.pk, **FORM)


def test_priority_and_tags_of_a_waiting_task_can_be_changed(admin: Person, submitted_task: Task) -> None:
    admin.send("task_change", submitted_task.pk, priority="2", tags="later")
    submitted_task.refresh_from_db()
    assert (submitted_task.priority, submitted_task.tags) == (2, ["later"])
    assert AuditEntry.objects.get(action="task.changed").detail["changes"]["priority"] == [1, 2]


def test_too_many_tags_are_refused_at_their_field(admin: Person, submitted_task: Task) -> None:
    tags = ", ".join(f"t{number}" for number in range(21))
    page = admin.send("task_change", submitted_task.pk, priority="2", tags=tags)
    assert "at most 20 tags" in page
    assert tags in page
    submitted_task.refresh_from_db()
    assert submitted_task.priority == 1


def test_a_change_that_comes_too_late_is_refused_in_the_form(
    admin: Person, submitted_task: Task, start: Callable[[Task], Any]
) -> None:
    start(submitted_task)
    page = admin.send("task_change", submitted_task.pk, priority="2", tags="later")
    assert "only a waiting task can be changed" in page
    assert 'value="later"' in page


def test_a_running_task_is_read_only_and_shows_where_it_runs(
    admin: Person, submitted_task: Task, start: Callable[[Task], Any]
) -> None:
    start(submitted_task)
    page = admin.page("task_change", submitted_task.pk)
    assert 'name="_save"' not in page
    assert 'data-state="running"' in page
    assert "a free slot" in page
    assert ">Cancel</button>" in page


def test_the_buttons_fit_the_state(admin: Person, history: list[Task], start: Callable[[Task], Any]) -> None:
    failed, cancelled, waiting, _ = history
    assert ">Retry</button>" in admin.page("task_change", failed.pk)
    assert ">Retry</button>" in admin.page("task_change", cancelled.pk)
    assert ">Cancel</button>" in admin.page("task_change", waiting.pk)
    assert ">Retry</button>" not in admin.page("task_change", waiting.pk)


def test_the_cancel_button_cancels(admin: Person, submitted_task: Task) -> None:
    assert "Cancelled: 1 task." in admin.send("task_cancel", submitted_task.pk)
    assert Task.objects.get().status == "cancelled"
    assert AuditEntry.objects.get(action="task.cancelled").actor_name == "alice"


def test_the_retry_button_puts_a_failed_task_back_into_the_line(
    admin: Person, submitted_task: Task, fail: Callable[[Task], None]
) -> None:
    fail(submitted_task)
    assert "Waiting again: 1 task." in admin.send("task_retry", submitted_task.pk)
    assert Task.objects.get().status == "pending"


@pytest.mark.parametrize("button", ["task_cancel", "task_retry"])
def test_a_link_presses_no_button(button: str, admin: Person, submitted_task: Task) -> None:
    assert admin.status(button, submitted_task.pk) == 405
    assert Task.objects.get().status == "pending"


def test_a_list_action_does_what_it_can_and_says_what_not(admin: Person, history: list[Task]) -> None:
    page = admin.act("task", "cancel", *history)
    assert "Cancelled: 2 tasks." in page
    assert page.count("has already ended") == 2
    page = admin.act("task", "retry", *history)
    assert "Waiting again: 4 tasks." in page


def test_an_ended_task_is_deleted_with_its_attempts(admin: Person, history: list[Task]) -> None:
    admin.send("task_delete", history[0].pk, post="yes")
    assert not Task.objects.filter(pk=history[0].pk).exists()
    assert AuditEntry.objects.get(action="task.deleted").object_id == history[0].pk


def test_an_unfinished_task_is_not_deleted_and_the_reason_is_said(admin: Person, history: list[Task]) -> None:
    page = admin.send("task_delete", history[2].pk, post="yes")
    assert "cancel it first" in page
    assert Task.objects.filter(pk=history[2].pk).exists()


def test_a_list_with_one_unfinished_task_is_not_deleted_at_all(admin: Person, history: list[Task]) -> None:
    page = admin.act("task", "delete_selected", history[0], history[2], post="yes")
    assert "cancel it first" in page
    assert history[0].run.tasks.count() == 4
    admin.act("task", "delete_selected", history[0], history[1], post="yes")
    assert history[0].run.tasks.count() == 2


def test_what_the_model_wrote_is_shown_as_text(admin: Person, submitted_task: Task) -> None:
    Task.objects.filter(pk=submitted_task.pk).update(
        status="completed", output="<script>alert(1)</script>", thinking='<b onclick="x()">', title="<i>t</i>"
    )
    page = admin.page("task_change", submitted_task.pk)
    assert "&lt;script&gt;alert(1)" in page
    assert "<i>t</i>" not in page
    assert "<i>t</i>" not in admin.page("task_changelist")


def test_the_list_leaves_long_texts_in_the_database(
    admin: Person, history: list[Task], django_assert_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        admin.page("task_changelist")
    assert not [query["sql"] for query in queries if '"orchestration_task"."output",' in query["sql"]]

"""Runs and attempts in the admin: read, and a run cancelled as a whole."""

from orchestration.models import Attempt, AuditEntry, Task
from tests.admin.conftest import Person


def test_a_run_is_cancelled_as_a_whole(admin: Person, history: list[Task]) -> None:
    assert "Tasks cancelled: 2." in admin.act("run", "cancel", history[0].run)
    assert Task.objects.filter(status="cancelled").count() == 3
    assert AuditEntry.objects.filter(action="run.cancelled").exists()


def test_a_run_leads_to_its_tasks_and_a_task_to_its_attempts(admin: Person, history: list[Task]) -> None:
    run = history[0].run
    assert f"?run__id__exact={run.pk}" in admin.page("run_change", run.pk)
    assert "4 tasks" in " ".join(admin.page("task_changelist", run__id__exact=run.pk).split())
    assert f"?task__id__exact={history[0].pk}" in admin.page("task_change", history[0].pk)
    assert "1 attempt" in " ".join(admin.page("attempt_changelist", task__id__exact=history[0].pk).split())


def test_an_attempt_shows_why_it_ran_there_and_why_it_ended(admin: Person, history: list[Task]) -> None:
    page = admin.page("attempt_change", Attempt.objects.get().pk)
    assert "a free slot" in page
    assert "bad option" in page
    assert 'name="_save"' not in page


def test_an_audit_entry_leads_to_its_object_while_it_is_there(admin: Person, history: list[Task]) -> None:
    run = history[0].run
    assert f'href="/admin/orchestration/run/{run.pk}/change/"' in admin.page("auditentry_changelist")
    admin.send("task_delete", history[0].pk, post="yes")
    entry = AuditEntry.objects.get(action="task.deleted")
    assert f"/task/{history[0].pk}/change/" not in admin.page("auditentry_change", entry.pk)

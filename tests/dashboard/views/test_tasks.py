"""The list, one task, and what may be done to them, by whom."""

import pytest
from django.test import Client
from django.urls import reverse

from orchestration.models import AuditEntry, Lane, Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

JSON = {"Accept": "application/json"}


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


def ended(task, status="failed", **fields):
    Task.objects.filter(pk=task.pk).update(status=status, **fields)


# The list


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_sees_the_list(name, request, as_user, submitted_task):
    answer = as_user(request.getfixturevalue(name)).get("/tasks")
    assert answer.status_code == 200
    assert submitted_task.title in answer.text


def test_a_viewer_sees_disabled_buttons_with_the_reason(as_user, carol, submitted_task):
    text = as_user(carol).get("/tasks").text
    assert "Needs the role operator" in text


def test_a_filter_of_the_url_narrows_the_list(as_user, bob, submit):
    submit("First words.")
    submit("Other words.", priority=0)
    text = as_user(bob).get("/tasks?priority=0").text
    assert "Other words." in text
    assert "First words." not in text
    assert "Remove priority high" in text


def test_a_facet_links_to_its_filter_and_counts(as_user, bob, submit):
    submit("a", "b")
    text = as_user(bob).get("/tasks").text
    assert 'href="/tasks?agent=writer"' in text
    assert 'data-count="writer">2<' in text


def test_an_unknown_filter_is_explained(as_user, bob):
    answer = as_user(bob).get("/tasks?colour=red")
    assert answer.status_code == 400
    assert "There is no filter" in answer.text


def test_a_forged_cursor_is_refused(as_user, bob):
    assert as_user(bob).get("/tasks?cursor=zz").status_code == 400


def test_nothing_yet_and_nothing_matches_are_two_things(as_user, bob, submitted_task):
    assert "Nothing matches" in as_user(bob).get("/tasks?status=failed").text
    Task.objects.all().delete()
    assert "No tasks yet" in as_user(bob).get("/tasks").text


def test_older_tasks_are_a_page_further(as_user, bob, submit):
    submit(*[f"text number {number}" for number in range(101)])
    first = as_user(bob).get("/tasks")
    assert first.text.count('name="ids"') == 101  # a hundred rows and the template of one
    older = as_user(bob).get("/tasks?cursor=" + first.text.split("cursor=")[1].split('"')[0])
    assert "text number 0" in older.text
    assert "data-held" in older.text


def test_titles_are_escaped(as_user, bob, submit):
    submit("<script>alert(1)</script>")
    assert "<script>alert" not in as_user(bob).get("/tasks").text


def test_a_row_costs_no_query_of_its_own(as_user, bob, submit, django_assert_num_queries):
    submit(*[f"text {number}" for number in range(30)])
    session_and_user, frame, rows_pauses_limits_and_facets, places_in_line = 2, 3, 4, 3
    browser = as_user(bob)
    with django_assert_num_queries(session_and_user + frame + rows_pauses_limits_and_facets):
        browser.get("/tasks")
    Lane.objects.update(waiting_code="busy", waiting_reason="llama3.2:latest busy 4/4 on gpu-a")
    with django_assert_num_queries(session_and_user + frame + rows_pauses_limits_and_facets + places_in_line):
        answer = browser.get("/tasks")
    assert "llama3.2:latest busy 4/4 on gpu-a — 30th in line" in answer.text


# One task


@pytest.mark.parametrize("tab", ["output", "prompt", "attempts", "raw", "nonsense"])
@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_sees_every_tab(name, tab, request, as_user, submitted_task):
    answer = as_user(request.getfixturevalue(name)).get(f"/tasks/{submitted_task.pk}?tab={tab}")
    assert answer.status_code == 200


def test_a_task_that_is_not_there_is_not_found(as_user, bob):
    answer = as_user(bob).get("/tasks/4711")
    assert answer.status_code == 404
    assert "There is no task 4711" in answer.text


def test_its_waiting_reason_is_shown(as_user, bob, submitted_task):
    assert "Why it waits" in as_user(bob).get(f"/tasks/{submitted_task.pk}").text


def test_a_failure_says_cause_tries_and_fix_first(as_user, bob, submitted_task):
    ended(submitted_task, error="gpu-a: connection refused", error_code="unreachable")
    text = as_user(bob).get(f"/tasks/{submitted_task.pk}").text
    assert "The node could not be reached" in text
    assert "gpu-a: connection refused" in text
    assert "Likely fix" in text


def test_a_step_that_another_one_ended_says_which(as_user, bob, submitted_task):
    ended(submitted_task, "cancelled", error_code="dependency_failed", error="Step 1 “Plan” failed, so this one ended.")
    assert "Step 1 “Plan” failed" in as_user(bob).get(f"/tasks/{submitted_task.pk}").text


def test_output_is_escaped(as_user, bob, submitted_task):
    ended(submitted_task, "completed", output="<img src=x onerror=alert(1)>")
    assert "<img src=x" not in as_user(bob).get(f"/tasks/{submitted_task.pk}").text


def test_vectors_are_summed_up(as_user, bob, submit):
    task = submit("a", type="embed").tasks.get()
    ended(task, "completed", vectors=[[0.25, 0.5], [1.0, 2.0]])
    text = as_user(bob).get(f"/tasks/{task.pk}").text
    assert "0.25, 0.5, …" in text
    assert "<dd>2</dd>" in text


def test_the_prompt_tab_shows_every_message(as_user, bob, submit):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why is the sky blue?"}]
    task = submit("", type="chat", messages=messages).tasks.get()
    text = as_user(bob).get(f"/tasks/{task.pk}?tab=prompt").text
    assert "Be brief." in text
    assert "Why is the sky blue?" in text


def test_the_raw_tab_has_a_command_without_any_key(as_user, bob, submit):
    task = submit("It's fine").tasks.get()
    text = as_user(bob).get(f"/tasks/{task.pk}?tab=raw").text
    assert "Bearer $DROVER_API_KEY" in text
    assert "http://testserver/api/orchestration/tasks" in text


def test_what_may_not_be_done_says_why(as_user, bob, carol, dave, submitted_task):
    url = f"/tasks/{submitted_task.pk}"
    assert "It has not ended yet." in as_user(bob).get(url).text
    assert "This belongs to somebody else" in as_user(dave).get(url).text
    assert "This needs the role operator" in as_user(carol).get(url).text


# Actions


def test_cancelling_ends_a_waiting_task_and_is_audited(as_user, bob, submitted_task):
    answer = as_user(bob).post(f"/tasks/{submitted_task.pk}/cancel", headers={"Referer": "http://testserver/tasks"})
    assert (answer.status_code, answer["Location"]) == (302, "http://testserver/tasks")
    submitted_task.refresh_from_db()
    assert submitted_task.status == "cancelled"
    entry = AuditEntry.objects.get(action="task.cancelled")
    assert (entry.actor_name, entry.via, entry.ip) == ("bob", "web", "127.0.0.1")


def test_a_script_gets_the_outcome_as_json(as_user, bob, submitted_task):
    answer = as_user(bob).post(f"/tasks/{submitted_task.pk}/cancel", headers=JSON)
    assert answer.json()["message"] == "Cancelled."
    again = as_user(bob).post(f"/tasks/{submitted_task.pk}/cancel", headers=JSON)
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "conflict"


def test_a_refusal_comes_back_as_a_message(as_user, bob, submitted_task):
    ended(submitted_task, "completed")
    answer = as_user(bob).post(f"/tasks/{submitted_task.pk}/cancel", follow=True)
    assert "has already ended" in answer.text


@pytest.mark.parametrize("name", ["carol", "dave"])
@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_others_may_not(name, action, request, as_user, submitted_task):
    if action == "retry":
        ended(submitted_task)
    before = Task.objects.get().status
    answer = as_user(request.getfixturevalue(name)).post(f"/tasks/{submitted_task.pk}/{action}", headers=JSON)
    assert answer.status_code == 403
    assert Task.objects.get().status == before


def test_an_admin_may_on_behalf_of_others(as_user, alice, submitted_task):
    assert as_user(alice).post(f"/tasks/{submitted_task.pk}/cancel", headers=JSON).status_code == 200


def test_retrying_puts_a_failed_task_back_in_line(as_user, bob, submitted_task):
    ended(submitted_task, error="x", error_code="unreachable")
    as_user(bob).post(f"/tasks/{submitted_task.pk}/retry")
    task = Task.objects.get()
    assert (task.status, task.error) == ("pending", "")


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_a_link_cannot_act(action, as_user, bob, submitted_task):
    assert as_user(bob).get(f"/tasks/{submitted_task.pk}/{action}").status_code == 405


def test_an_action_from_elsewhere_is_refused(bob, submitted_task):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(bob)
    assert strict.post(f"/tasks/{submitted_task.pk}/cancel").status_code == 403
    assert Task.objects.get().status == "pending"


def test_the_way_back_never_leads_to_another_site(as_user, bob, submitted_task):
    answer = as_user(bob).post(f"/tasks/{submitted_task.pk}/cancel", {"next": "https://evil.example/"})
    assert answer["Location"] == "/"


# Many at once


def test_one_refusal_does_not_hold_up_the_others(as_user, bob, submit):
    first, second = submit("a", "b").tasks.all()
    ended(first, "completed")
    answer = as_user(bob).post(reverse("tasks-bulk"), {"action": "cancel", "ids": [first.pk, second.pk]}, follow=True)
    assert "Cancelled 1 of 2 tasks." in answer.text
    assert Task.objects.get(pk=second.pk).status == "cancelled"


def test_ended_tasks_are_deleted_and_others_stay(as_user, bob, submit):
    first, second = submit("a", "b").tasks.all()
    ended(first, "completed")
    as_user(bob).post(reverse("tasks-bulk"), {"action": "delete", "ids": [first.pk, second.pk]})
    assert list(Task.objects.values_list("pk", flat=True)) == [second.pk]
    assert AuditEntry.objects.filter(action="task.deleted").count() == 1


@pytest.mark.parametrize(
    "sent", [{}, {"action": "cancel"}, {"action": "paint", "ids": "1"}, {"action": "cancel", "ids": "x"}]
)
def test_nothing_chosen_is_said(sent, as_user, bob):
    assert as_user(bob).post(reverse("tasks-bulk"), sent, headers=JSON).status_code == 400


def test_a_viewer_changes_nothing(as_user, carol, submitted_task):
    as_user(carol).post(reverse("tasks-bulk"), {"action": "cancel", "ids": [submitted_task.pk]})
    assert Task.objects.get().status == "pending"


@pytest.mark.parametrize("number", ["²", "9" * 30, "9" * 5000, "-1", "\0"])
def test_odd_numbers_are_no_ids(client, bob, number):
    client.force_login(bob)
    assert client.post("/tasks/bulk", {"ids": [number], "action": "cancel"}).status_code == 302
    assert client.get("/new", {"from": f"task:{number}"}).status_code == 200
    assert client.get("/tasks", {"run": number}).status_code == 400
    assert client.get("/tasks", {"cursor": f"b{number}"}).status_code == 400


# Priority


@pytest.mark.parametrize(("name", "disabled"), [("alice", False), ("bob", False), ("carol", True), ("dave", True)])
def test_the_priority_of_a_waiting_task_can_be_changed(name, disabled, request, as_user, submitted_task):
    browser = as_user(request.getfixturevalue(name))
    page = f"/tasks/{submitted_task.pk}"
    buttons = [part for part in browser.get(page).text.split("<button") if 'name="priority"' in part]
    assert [part.partition('value="')[2][0] for part in buttons] == ["0", "1", "2"]
    assert ['aria-pressed="true"' in part for part in buttons] == [False, True, False]
    assert all((" disabled " in part) == disabled for part in buttons)
    answer = browser.post(f"{page}/priority", {"priority": "0"}, headers=JSON)
    submitted_task.refresh_from_db()
    assert (answer.status_code, submitted_task.priority) == ((403, 1) if disabled else (200, 0))


def test_the_priority_of_a_started_task_is_only_shown(as_user, bob, submitted_task):
    ended(submitted_task, "completed")
    browser = as_user(bob)
    assert 'name="priority"' not in browser.get(f"/tasks/{submitted_task.pk}").text
    answer = browser.post(f"/tasks/{submitted_task.pk}/priority", {"priority": "0"}, headers=JSON)
    assert answer.status_code == 409


@pytest.mark.parametrize("priority", ["", "7", "high", "-1"])
def test_a_priority_that_is_none_is_refused(priority, as_user, bob, submitted_task):
    answer = as_user(bob).post(f"/tasks/{submitted_task.pk}/priority", {"priority": priority}, headers=JSON)
    assert answer.status_code == 400


def test_the_limit_of_its_owner_is_shown(as_user, bob, submitted_task):
    assert "at once" not in as_user(bob).get(f"/tasks/{submitted_task.pk}").text
    type(bob).objects.update(max_concurrent_tasks=20)
    text = as_user(bob).get(f"/tasks/{submitted_task.pk}").text
    assert "at most 20 at once" in text
    assert "operator · at most 20 tasks at once" in text

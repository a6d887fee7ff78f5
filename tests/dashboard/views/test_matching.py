"""All tasks that match: what is offered to whom, what has to be typed, what is left alone."""

import pytest

from orchestration.models import AuditEntry, Task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

PAGE = "/tasks/matching?agent=writer"


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


def offers(answer):
    return {offer["name"]: (offer["count"], offer["foreign"]) for offer in answer.context["actions"]}


def send(browser, action, page=PAGE, **fields):
    """The form as it stands on the page, sent by somebody who changed nothing but these fields."""
    context = browser.get(page).context
    shown = next(offer["count"] for offer in context["actions"] if offer["name"] == action)
    return browser.post(page, {"action": action, "up_to": context["up_to"], "shown": shown, **fields})


def cancelled():
    return Task.objects.filter(status="cancelled").count()


def test_the_list_leads_there_with_its_filter(as_user, bob, carol, submitted_task):
    assert 'href="/tasks/matching?agent=writer"' in as_user(bob).get("/tasks?agent=writer").text
    text = as_user(carol).get("/tasks?agent=writer").text
    assert "/tasks/matching" not in text
    assert "Changing tasks needs the role operator; you are viewer." in text


def test_it_says_how_many_and_whose(as_user, alice, bob, submit, as_dave):
    submit("one", "two")
    submit("three", actor=as_dave)
    assert offers(as_user(bob).get(PAGE)) == {"cancel": (2, 1), "priority": (2, 1)}
    assert "1 more belongs to other people" in as_user(bob).get(PAGE).text
    assert offers(as_user(alice).get(PAGE)) == {"cancel": (3, 0), "priority": (3, 0)}
    assert "All tasks that match" in as_user(alice).get(PAGE).text
    assert "All tasks there are" in as_user(alice).get("/tasks/matching").text


def test_a_viewer_sees_why_not(as_user, carol, submitted_task):
    answer = as_user(carol).get(PAGE)
    assert offers(answer) == {"cancel": (None, 0), "priority": (None, 0)}
    assert answer.text.count("This needs the role operator; carol is viewer.") >= 2
    assert as_user(carol).post(PAGE, {"action": "cancel", "shown": 1}).status_code == 302
    assert cancelled() == 0


def test_cancelling_says_what_was_done_and_leads_back(as_user, bob, submit, as_dave):
    submit("one", "two")
    submit("three", actor=as_dave)
    browser = as_user(bob)
    assert send(browser, "cancel")["Location"] == "/tasks?agent=writer"
    text = browser.get("/tasks").text
    assert "Cancelled 2 tasks" in text
    assert "1 of other people was left alone" in text
    assert cancelled() == 2
    entry = AuditEntry.objects.get(action="tasks.cancelled")
    assert (entry.via, entry.detail["filter"], entry.detail["tasks"]) == ("web", "agent=writer", 2)


def test_priorities_are_changed(as_user, bob, submit):
    submit("one", "two")
    browser = as_user(bob)
    send(browser, "priority", priority="0")
    assert "2 tasks now have high priority." in browser.get("/tasks").text
    assert set(Task.objects.values_list("priority", flat=True)) == {0}


def test_a_hundred_need_no_number_and_more_do(as_user, bob, submit):
    submit(*map(str, range(101)))
    browser = as_user(bob)
    assert "Type 101 to confirm" in browser.get(PAGE).text
    for wrong in ("", "100", "all", "1010"):
        answer = send(browser, "cancel", expected=wrong)
        assert answer.status_code == 400
        assert "Type 101 to confirm; nothing was changed." in answer.text
    assert cancelled() == 0
    assert send(browser, "cancel", expected=" 101 ").status_code == 302
    assert cancelled() == 101


def test_what_came_since_the_page_was_made_is_left_alone(as_user, bob, submit):
    submit("seen")
    browser = as_user(bob)
    context = browser.get(PAGE).context
    submit("new")
    browser.post(PAGE, {"action": "cancel", "up_to": context["up_to"], "shown": 1})
    assert list(Task.objects.order_by("pk").values_list("status", flat=True)) == ["cancelled", "pending"]


def test_more_than_were_shown_is_refused_on_the_page(as_user, bob, submit):
    submit("one", "two")
    answer = as_user(bob).post(PAGE, {"action": "cancel", "shown": "1"})
    assert answer.status_code == 409
    assert "2 tasks match by now, not 1" in answer.text
    assert cancelled() == 0


@pytest.mark.parametrize("fields", [{}, {"action": "burn"}, {"action": "priority", "priority": "9"}])
def test_an_action_that_is_none_is_refused(as_user, bob, submitted_task, fields):
    assert as_user(bob).post(PAGE, {"shown": "1", **fields}).status_code == 400


def test_an_unknown_filter_is_explained(as_user, bob):
    assert as_user(bob).get("/tasks/matching?colour=red").status_code == 400


def test_nothing_to_do_is_said(as_user, bob, submitted_task):
    Task.objects.update(status="completed")
    assert "None of them can be changed." in as_user(bob).get(PAGE).text


def test_it_obeys_the_content_policy(as_user, bob, submitted_task):
    text = as_user(bob).get(PAGE).text
    assert "style=" not in text
    assert "<script>" not in text

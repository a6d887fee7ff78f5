"""Runs as pages: the list by kind, one run with graph, chart and chosen step, and who may do what with it."""

import pytest
from django.utils import timezone

from orchestration.models import Run, Task
from orchestration.policy.states import TaskStatus
from orchestration.services import steps, workflows
from orchestration.services.workflows import Asked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server", "node", "agent")]

STEPS = [
    {"name": "plan", "input": "Plan {{input.topic}}"},
    {"name": "draft", "input": "Draft {{plan}}"},
    {"name": "check", "input": "Check {{plan}}"},
    {"name": "merge", "input": "{{draft}} {{check}}"},
]


@pytest.fixture
def run(as_bob):
    definition = {"name": "story", "agent": "writer", "steps": STEPS, "limits": {"max_steps": 9}}
    return workflows.run_once(actor=as_bob, definition=definition, asked=Asked(inputs={"topic": "<cats>"}))


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


def end(run, name, status=TaskStatus.COMPLETED, **fields):
    now = timezone.now()
    task = Task.objects.get(run=run, step=name)
    Task.objects.transition(task.pk, TaskStatus.ASSIGNED)
    Task.objects.transition(task.pk, TaskStatus.RUNNING, started_at=now)
    Task.objects.transition(task.pk, status, ended_at=now, **fields)
    steps.promote(now=now)


def test_the_list_shows_runs_of_every_kind_and_filters_by_it(as_user, carol, run, submit):
    submit("One.", "Two.")
    browser = as_user(carol)
    everything = browser.get("/runs").text
    assert "story" in everything
    assert "One." in everything
    only = browser.get("/runs?kind=workflow").text
    assert "story" in only
    assert "One." not in only
    assert "No run of this kind" in browser.get("/runs?kind=benchmark").text
    assert browser.get("/runs?kind=nonsense").status_code == 200


def test_a_run_shows_its_steps_as_graph_and_chart(as_user, carol, run):
    end(run, "plan", output="A <b>plan</b>", load_seconds=0.1, decode_seconds=0.2)
    page = as_user(carol).get(f"/runs/{run.pk}").text
    assert page.count('class="dagbox"') == 4
    assert page.count('class="gantt__row"') == 4
    assert page.count('class="dag__line"') == 4
    assert "1 of" in page.replace('<span class="num">1</span> of', "1 of")
    assert "4 of 9" in page


def test_the_step_asked_for_is_shown_with_input_and_output(as_user, carol, run):
    end(run, "plan", output="A <b>plan</b>")
    page = as_user(carol).get(f"/runs/{run.pk}?step=plan").text
    assert "Plan &lt;cats&gt;" in page
    assert "A &lt;b&gt;plan&lt;/b&gt;" in page
    assert "<b>plan</b>" not in page


def test_a_failure_is_named_with_its_step_and_what_was_not_started(as_user, carol, run):
    end(run, "plan")
    end(run, "draft", TaskStatus.FAILED, error="out of memory")
    end(run, "check")
    page = as_user(carol).get(f"/runs/{run.pk}").text
    assert "Step draft failed: out of memory" in page
    assert "1 step behind it was not started" in page
    draft = Task.objects.get(step="draft")
    assert f'data-drawer="{draft.pk}"' in page


def test_a_skipped_step_says_why(as_user, carol, as_bob):
    definition = {"name": "x", "agent": "writer", "steps": [{"name": "a", "input": "x", "condition": '"1" == "2"'}]}
    run = workflows.run_once(actor=as_bob, definition=definition, asked=Asked())
    assert "Skipped. Not so:" in as_user(carol).get(f"/runs/{run.pk}").text


def test_a_fan_out_shows_how_much_of_it_is_done(as_user, carol, as_bob):
    each = {"name": "each", "input": "{{item}}", "for_each": "{{input.list}}"}
    definition = {"name": "x", "agent": "writer", "steps": [each]}
    run = workflows.run_once(actor=as_bob, definition=definition, asked=Asked(inputs={"list": ["a", "b", "c"]}))
    end(run, "each[2]")
    page = as_user(carol).get(f"/runs/{run.pk}").text
    assert ">1/3<" in page
    assert 'stroke-dasharray="33.3 100"' in page
    assert "each[3]" in page


def test_a_sequence_has_the_same_page_and_other_runs_a_list(as_user, carol, submit):
    sequence = submit("One.", "Two {{previous}}", sequential=True)
    page = as_user(carol).get(f"/runs/{sequence.pk}?step=step2").text
    assert page.count('class="dagbox"') == 2
    assert "Two {{previous}}" in page
    single = submit("Only this.")
    assert "Only this." in as_user(carol).get(f"/runs/{single.pk}").text


def test_a_run_is_paused_resumed_cancelled_and_retried(as_user, bob, run):
    browser = as_user(bob)
    browser.post(f"/runs/{run.pk}/pause")
    assert "paused by bob" in browser.get(f"/runs/{run.pk}").text
    browser.post(f"/runs/{run.pk}/resume")
    assert Run.objects.get().paused_at is None
    browser.post(f"/runs/{run.pk}/cancel")
    assert set(Task.objects.values_list("status", flat=True)) == {"cancelled"}
    browser.post(f"/runs/{run.pk}/retry")
    assert set(Task.objects.values_list("status", flat=True)) == {"pending", "blocked"}


def test_a_run_begins_again_from_a_step(as_user, dave, run):
    end(run, "plan", output="the plan")
    answer = as_user(dave).post(f"/runs/{run.pk}/rerun", {"step": "draft"})
    new = Run.objects.latest("pk")
    assert answer["Location"] == f"/runs/{new.pk}"
    assert (new.rerun_of, new.owner) == (run, dave)
    assert f'href="/runs/{run.pk}"' in as_user(dave).get(f"/runs/{new.pk}").text


@pytest.mark.parametrize("action", ["pause", "cancel", "retry"])
def test_a_stranger_and_a_viewer_change_nothing(as_user, carol, dave, run, action):
    for user in (carol, dave):
        answer = as_user(user).post(f"/runs/{run.pk}/{action}", headers={"Accept": "application/json"})
        assert answer.status_code == 403
    assert " disabled" in as_user(carol).get(f"/runs/{run.pk}").text


def test_a_run_that_does_not_exist_has_a_page(as_user, carol, db):
    assert as_user(carol).get("/runs/999").status_code == 404

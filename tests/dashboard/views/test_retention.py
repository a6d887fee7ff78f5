"""The page about retention: rules, a look, a clean-up that removes what was looked at."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from orchestration.models import CleanUp, FolderSink, RetentionRule, Task
from orchestration.policy.states import TaskStatus
from orchestration.services.retention import carry_on

pytestmark = pytest.mark.django_db


@pytest.fixture
def at(client):
    """A browser of this person."""

    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.fixture
def old(submit, redis_server):
    submit("Name a river.", "Name another.")
    ended = timezone.now() - timedelta(days=40)
    Task.objects.update(status=TaskStatus.COMPLETED, ended_at=ended, output="The Elbe.")


def page_of(client, **query):
    return client.get(reverse("retention"), query).content.decode()


def test_without_rules_it_says_that_everything_stays(at, carol, settings):
    page = page_of(at(carol))
    assert "everything is kept for good" in page
    assert "Daily, once there is a rule." in page
    settings.DROVER_CLEANUP_HOUR = -1
    assert "Clean-ups are done by hand" in page_of(at(carol))


def test_rules_are_added_changed_and_taken_back(at, alice, agent):
    browser = at(alice)
    answer = browser.post(reverse("retention-add"), {"agent": "others", "text_days": 30, "keep_collected": "on"})
    assert answer.status_code == 302
    browser.post(reverse("retention-add"), {"agent": agent.pk, "task_days": 90})
    own, others = RetentionRule.objects.get(agent=agent), RetentionRule.objects.get(agent=None)
    assert (others.text_days, others.task_days, others.keep_collected) == (30, None, True)
    assert (own.text_days, own.task_days, own.keep_collected) == (None, 90, False)
    page = page_of(browser)
    assert "All other agents" in page
    assert f'id="rule-{own.pk}-task_days"' in page
    browser.post(reverse("retention-change", args=[others.pk]), {"text_days": 7})
    others.refresh_from_db()
    assert (others.text_days, others.keep_collected) == (7, False)
    browser.post(reverse("retention-remove", args=[others.pk]))
    assert RetentionRule.objects.get() == own


def test_a_rule_that_makes_no_sense_is_told(at, alice):
    page = at(alice).post(reverse("retention-add"), {"agent": "others", "text_days": "x"}, follow=True).content.decode()
    assert "Texts for days: Enter a whole number." in page
    post = {"agent": "others", "text_days": 30, "task_days": 7}
    assert "cannot be fewer" in at(alice).post(reverse("retention-add"), post, follow=True).content.decode()


@pytest.mark.usefixtures("old")
def test_what_was_looked_at_is_removed_and_the_clean_up_is_shown(at, alice):
    RetentionRule.objects.create(text_days=30)
    browser = at(alice)
    assert "Remove 2" not in page_of(browser)
    response = browser.get(reverse("retention"), {"look": "1"})
    plan = response.context["plan"]
    assert "Remove 2" in response.content.decode()
    browser.post(reverse("cleanup-ask"), {"as_of": plan["as_of"], "expected": 2})
    assert "Waits for the scheduler" in page_of(browser)
    assert carry_on(go_on=lambda: True)
    page = page_of(browser, look="1")
    assert "2 texts, " in page
    assert "Nothing has been kept for longer" in page


@pytest.mark.usefixtures("old")
def test_nothing_is_removed_that_was_not_looked_at(at, alice):
    RetentionRule.objects.create(text_days=30)
    for post in ({}, {"as_of": "yesterday"}, {"as_of": "2026-13-01T00:00:00Z"}):
        page = at(alice).post(reverse("cleanup-ask"), post, follow=True).content.decode()
        assert "Look first at what would be removed." in page
    assert not CleanUp.objects.exists()


@pytest.mark.usefixtures("old")
def test_a_clean_up_under_way_shows_how_far_it_is_and_can_be_stopped(at, alice):
    counted = {"texts": 1, "tasks": 0, "bytes": 9, "oldest": None, "newest": None}
    counts = {"expected": 4, "by_agent": {"writer": counted}}
    row = CleanUp.objects.create(at=timezone.now(), by_name="alice", counts=counts)
    page = page_of(at(alice))
    assert 'aria-label="25 %"' in page
    at(alice).post(reverse("cleanup-stop", args=[row.pk]))
    assert "stopped by alice" in page_of(at(alice))


def test_who_may_not_is_told_why(at, carol):
    RetentionRule.objects.create(text_days=30)
    page = page_of(at(carol))
    assert "This needs the role maintainer; carol is viewer." in page
    answer = at(carol).post(reverse("retention-add"), {"agent": "others"}, headers={"Accept": "application/json"})
    assert answer.status_code in (400, 403)
    answer = at(carol).post(reverse("retention-remove", args=[RetentionRule.objects.get().pk]), follow=True)
    assert RetentionRule.objects.exists()


def test_the_folder_and_what_is_in_its_way(at, carol, settings, tmp_path):
    settings.DROVER_SINK_FOLDER = tmp_path
    now = timezone.now()
    FolderSink.objects.create(
        pk=1, folder=str(tmp_path), files=1234, written_at=now, problem="No space left on device", problem_since=now
    )
    page = page_of(at(carol))
    assert str(tmp_path) in page
    assert "1,234" in page
    assert "No space left on device" in page

"""The overview: for whom, in which states, at what price."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from dashboard.views.overview import attention
from orchestration import queries
from orchestration.models import Task
from orchestration.services import bulk, tasks

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def page(client):
    def get(user):
        client.force_login(user)
        return client.get(reverse("overview"))

    return get


def test_a_stranger_without_a_login_is_sent_to_it(client):
    answer = client.get("/")
    assert answer.status_code == 302
    assert answer["Location"] == "/login?next=/"


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_who_is_logged_in_sees_it(name, request, page, node, submitted_task):
    answer = page(request.getfixturevalue(name))
    assert answer.status_code == 200
    assert "Load by model" in answer.text
    assert node.name in answer.text


def test_only_staff_is_offered_the_django_admin(page, alice, carol):
    assert 'href="/admin/"' in page(alice).text
    assert 'href="/admin/"' not in page(carol).text


def test_the_first_visit_shows_what_to_do_next(page, alice):
    text = page(alice).text
    assert "Set up your herd" in text
    assert "0 of 3" in text
    assert "No node yet" in text


def test_the_checklist_ticks_what_is_done(page, alice, node):
    assert "2 of 3" in page(alice).text


def test_the_checklist_is_gone_after_the_first_task(page, alice, submitted_task):
    Task.objects.update(status="completed")
    assert "Set up your herd" not in page(alice).text


def test_demo_mode_is_said_plainly(page, alice, settings):
    settings.DROVER_DEMO = True
    assert "no text here comes from a real model" in page(alice).text


def test_what_is_not_known_is_a_dash_and_never_zero(page, alice, node):
    text = page(alice).text
    assert '<span data-total="tokens_per_second">—</span>' in text
    assert "known after the first answer" in text


def test_a_missing_worker_and_a_lost_node_need_attention(node):
    node.health, node.health_reason = "unhealthy", "connection refused"
    node.save()
    titles = [item["title"] for item in attention(queries.load_sample(timezone.now()), set())]
    assert titles == ["No worker is running", f"{node.name} is unreachable"]


def test_a_node_whose_circuit_is_open_needs_attention(make_node):
    now = timezone.now()
    make_node(faults=5, circuit_until=now + timedelta(minutes=1), circuit_reason="HTTP 500")
    items = {item["title"]: item["note"] for item in attention(queries.load_sample(now), set())}
    assert items["gpu-a keeps failing"].endswith("after 5 failures in a row: HTTP 500")


def test_a_model_that_no_node_has_needs_attention(as_bob, make_agent, node):
    agent = make_agent(models=[])
    spec = tasks.TaskSpec(type="generate", input="Say hello.", model_name="mixtral")
    tasks.submit(actor=as_bob, agent=agent, specs=[spec], allow_missing_models=True)
    titles = [item["title"] for item in attention(queries.load_sample(timezone.now()), {"llama3.2:latest"})]
    assert "mixtral:latest is on no node" in titles


def test_submissions_in_a_row_are_told_once(page, alice, submit):
    for text in ("a", "b", "c"):
        submit(text)
    text = page(alice).text
    assert text.count("sent writer") == 1
    assert "3 tasks" in text


def test_what_was_done_to_many_leads_to_them(page, alice, as_alice, submit):
    submit("a", "b", priority=2)
    bulk.cancel_matching(actor=as_alice, task_filter=queries.TaskFilter.from_string("priority=2"))
    assert '<b>alice</b> cancelled <a href="/tasks?priority=2">2 tasks</a>' in page(alice).text


def test_its_price_does_not_grow_with_what_it_shows(client, alice, submit, make_node, django_assert_max_num_queries):
    for number in range(5):
        make_node(f"gpu-{number}")
    submit(*[f"text {number}" for number in range(20)])
    client.force_login(alice)
    with django_assert_max_num_queries(30):
        client.get("/")

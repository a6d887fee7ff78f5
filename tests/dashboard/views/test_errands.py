"""The page of a task that tells a node what to do with a model."""

import pytest

from orchestration.models import Pull, Task
from orchestration.policy.states import ErrandType
from orchestration.services import errands

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

LAYERS = [
    {"digest": "sha256:7c1e09ab44d2f0e6", "total": 4_000_000_000, "done": 2_000_000_000},
    {"digest": "sha256:99aa09ab44d2f0e6", "total": 1_000, "done": 1_000},
]


@pytest.fixture
def browser(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def task(as_alice, node):
    run = errands.submit(actor=as_alice, type=ErrandType.PULL, models=["qwen3:8b"], node_ids=[node.pk])
    return run.tasks.get()


def test_a_pull_shows_how_far_it_is_as_a_whole_and_layer_by_layer(browser, task):
    Task.objects.update(status="running")
    Pull.objects.update(layers=LAYERS, done_bytes=2_000_001_000, total_bytes=4_000_001_000, bytes_per_second=1e8)
    text = browser.get(f"/tasks/{task.pk}").text
    for words in ("50 %", "2.0 GB of 4.0 GB, 100 MB/s, 20 s left", "7c1e09ab44d2", "2.0 GB of 4.0 GB", "1 kB"):
        assert words in text, words


def test_what_waits_says_why_and_what_has_ended_says_what_came_of_it(browser, task):
    assert "Why it waits" in browser.get(f"/tasks/{task.pk}").text
    Task.objects.update(status="completed", message="5.2 GB in 61 s")
    text = browser.get(f"/tasks/{task.pk}").text
    assert "5.2 GB in 61 s" in text
    assert "100 %" in text


def test_a_model_that_no_library_has_is_told_with_what_to_do(browser, task):
    Task.objects.update(status="failed", error="The library has no model qwen9:8b.", error_code="model_not_published")
    text = browser.get(f"/tasks/{task.pk}").text
    assert "The library has no model of that name" in text


@pytest.mark.parametrize("type", [ErrandType.LOAD, ErrandType.UNLOAD, ErrandType.DELETE, ErrandType.COPY])
def test_every_kind_of_errand_has_a_page_and_stands_in_the_lists(browser, as_alice, node, type):
    given = {"destination": "mine"} if type == ErrandType.COPY else {"force": True}
    run = errands.submit(actor=as_alice, type=type, models=["llama3.2"], node_ids=[node.pk], parameters=given)
    task = run.tasks.get()
    assert task.title in browser.get(f"/tasks/{task.pk}").text
    assert task.title in browser.get("/tasks").text
    assert browser.get(f"/runs/{run.pk}").status_code == 200
    assert browser.get("/").status_code == 200


def test_it_is_cancelled_from_its_page(browser, task):
    browser.post(f"/tasks/{task.pk}/cancel")
    task.refresh_from_db()
    assert task.status == "cancelled"
    assert "It has ended: cancelled." in browser.get(f"/tasks/{task.pk}").text

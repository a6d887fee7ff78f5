"""The pages of comparisons: side by side, blind, with differences, voted on."""

import pytest

from orchestration.models import Run, Task, Vote
from orchestration.services.comparisons import Asked, Column, start
from tests.services.measuring import finish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

LLAMA, QWEN = "llama3.2:latest", "qwen3:8b"


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.fixture
def anyone(make_agent, make_node):
    make_node("gpu-a", models=(LLAMA, QWEN))
    return make_agent("default", models=[])


@pytest.fixture
def run(as_bob, anyone):
    asked = Asked(prompts=["Why is it so?", "How?"], columns=[Column(LLAMA), Column(QWEN)])
    return start(actor=as_bob, agent=anyone, asked=asked)


def test_a_comparison_is_started_from_the_page(as_user, bob, anyone):
    fields = {"prompts": "Why?\n---\nHow?\n", "model_1": LLAMA, "model_2": QWEN, "node_2": "gpu-a", "agent": anyone.pk}
    answer = as_user(bob).post("/compare", fields)
    made = Run.objects.get()
    assert answer["Location"] == f"/compare/{made.pk}"
    assert made.spec["prompts"] == ["Why?", "How?"]
    assert made.spec["columns"] == [{"model": LLAMA, "node": None}, {"model": QWEN, "node": "gpu-a"}]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model_2": ""}, "This field is required."),
        ({"model_2": LLAMA}, "Two columns are the same."),
        ({"prompts": "\n---\n"}, "Give 1 to 200 prompts"),
    ],
)
def test_what_is_wrong_is_said(as_user, bob, anyone, fields, words):
    whole = {"prompts": "Why?", "model_1": LLAMA, "model_2": QWEN, "agent": anyone.pk}
    answer = as_user(bob).post("/compare", {**whole, **fields})
    assert answer.status_code == 422
    assert words in answer.text


def test_a_viewer_looks_and_does_nothing(as_user, carol, anyone, run):
    finish(run)
    browser = as_user(carol)
    assert "This needs the role operator" in browser.get("/compare").text
    text = browser.get(f"/compare/{run.pk}").text
    assert "This needs the role operator" in text
    browser.post(f"/compare/{run.pk}/vote", {"row": "0", "task_id": run.tasks.first().pk})
    assert not Vote.objects.exists()


def test_names_and_figures_are_hidden_until_one_has_voted(as_user, bob, run):
    finish(run)
    Task.objects.filter(run=run).update(output="Because.")
    browser = as_user(bob)
    page = f"/compare/{run.pk}?blind=1"
    text = browser.get(page).text
    assert "Answer A" in text
    assert LLAMA not in text
    assert "Decode tok/s" not in text
    first = run.tasks.get(position=0)
    browser.post(f"/compare/{run.pk}/vote", {"row": "0", "task_id": first.pk, "blind": "1"})
    assert Vote.objects.get().blind is True
    text = browser.get(page).text
    assert "1 vote<" in text
    assert LLAMA in text
    assert "Answer A" in text


def test_the_best_figures_are_marked(as_user, bob, run):
    finish(run)
    Task.objects.filter(run=run, position=0).update(decode_seconds=1.0)
    text = as_user(bob).get(f"/compare/{run.pk}").text
    assert text.count("<div data-best>") == 1


def test_differences_are_shown_word_by_word_against_the_first(as_user, bob, run):
    finish(run)
    for position, output in enumerate(("a red <b>door</b>", "a blue <b>door</b>", "same", "same")):
        Task.objects.filter(run=run, position=position).update(output=output)
    text = as_user(bob).get(f"/compare/{run.pk}?diff=1").text
    assert "<del>red </del><ins>blue </ins>&lt;b&gt;door" in text
    assert "all the same" in text
    only = as_user(bob).get(f"/compare/{run.pk}?different=1").text
    assert "1 row with equal answers hidden" in only
    assert 'id="h-row-1"' not in only


def test_rows_that_are_not_complete_are_never_hidden(as_user, bob, run):
    assert 'id="h-row-1"' in as_user(bob).get(f"/compare/{run.pk}?different=1").text


def test_tasks_of_other_runs_are_put_side_by_side(as_user, carol, submit):
    first, second = submit("one").tasks.get(), submit("two").tasks.get()
    browser = as_user(carol)
    text = browser.get(f"/compare?ids={second.pk},{first.pk}").text
    assert text.index(f'data-task="{second.pk}"') < text.index(f'data-task="{first.pk}"')
    assert "Blind" not in text
    assert browser.get(f"/compare?ids={first.pk}").status_code == 400
    assert browser.get(f"/compare?ids={first.pk},999").status_code == 404
    assert browser.get("/compare?ids=a,b").status_code == 400


def test_the_rest_is_cancelled_by_its_owner(as_user, bob, dave, run):
    as_user(dave).post(f"/compare/{run.pk}/cancel")
    assert not run.tasks.filter(status="cancelled").exists()
    as_user(bob).post(f"/compare/{run.pk}/cancel")
    assert run.tasks.filter(status="cancelled").count() == 4


def test_an_odd_vote_is_refused(as_user, bob, run):
    answer = as_user(bob).post(f"/compare/{run.pk}/vote", {"row": "x"}, headers={"accept": "application/json"})
    assert answer.status_code == 400

"""The pages of benchmarks: the form, the figures, what may be done with them."""

import pytest

from dashboard.views.benchmarks import heat_map
from orchestration.models import Node, NodeModel, Run
from orchestration.queries.benchmarks import benchmark
from orchestration.services.benchmarks import Asked, start
from tests.services.measuring import finish

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

FORM = {
    "models": ["llama3.2:latest"],
    "concurrency": ["1", "2"],
    "prompt_set": "short",
    "repeats": "2",
    "rounds": "1",
    "num_predict": "32",
    "temperature": "0",
    "seed": "1",
}


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.fixture
def run(as_bob, node):
    asked = Asked(models=["llama3.2"], concurrency=[1, 2, 8], repeats=2, rounds=1)
    return start(actor=as_bob, asked=asked)


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_sees_the_list_and_every_benchmark(name, request, as_user, run):
    browser = as_user(request.getfixturevalue(name))
    assert run.title in browser.get("/bench").text
    assert browser.get(f"/bench/{run.pk}").status_code == 200


def test_an_operator_starts_one_and_is_led_to_it(as_user, bob, node):
    answer = as_user(bob).post("/bench", FORM)
    run = Run.objects.get()
    assert answer["Location"] == f"/bench/{run.pk}"
    assert (run.kind, run.owner, run.spec["concurrency"]) == ("benchmark", bob, [1, 2])


def test_a_form_sent_twice_starts_one(as_user, bob, node):
    for _ in range(2):
        as_user(bob).post("/bench", {**FORM, "form_key": "same"})
    assert Run.objects.count() == 1


def test_a_viewer_finds_the_form_switched_off_and_starts_nothing(as_user, carol, node):
    browser = as_user(carol)
    assert "This needs the role operator" in browser.get("/bench").text
    browser.post("/bench", FORM)
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"models": []}, "This field is required."),
        ({"prompt_set": "own"}, "Write at least one prompt."),
        ({"repeats": "0"}, "greater than or equal to 1"),
        ({"concurrency": ["16"]}, "gpu-a has 4 slots a model"),
    ],
)
def test_what_is_wrong_is_said(as_user, bob, node, fields, words):
    answer = as_user(bob).post("/bench", {**FORM, **fields})
    assert answer.status_code == 422
    assert words in answer.text


def test_models_that_only_embed_are_not_offered(as_user, bob, make_node):
    make_node("gpu-b", models=("llama3.2:latest", "nomic-embed-text:latest"))
    NodeModel.objects.get(model__name__startswith="nomic").model.__class__.objects.filter(
        name__startswith="nomic"
    ).update(capabilities=["embedding"])
    text = as_user(bob).get("/bench").text
    assert 'value="llama3.2:latest"' in text
    assert 'value="nomic-embed-text:latest"' not in text


def test_a_running_one_says_how_far_it_is_and_can_be_cancelled(as_user, bob, dave, run):
    text = as_user(bob).get(f"/bench/{run.pk}").text
    assert "0 of 7 requests" in text
    assert "8 at once with llama3.2:latest on gpu-a: gpu-a has 4 slots a model." in text
    as_user(dave).post(f"/bench/{run.pk}/cancel")
    assert run.tasks.filter(status="cancelled").count() == 0
    as_user(bob).post(f"/bench/{run.pk}/cancel")
    assert run.tasks.exclude(status="cancelled").count() == 0


def test_a_complete_one_shows_its_figures_and_stores_its_report(as_user, carol, run):
    finish(run)
    text = as_user(carol).get(f"/bench/{run.pk}").text
    assert "7 requests in" in text
    assert ">45.0 <" in text
    run.refresh_from_db()
    assert run.report["complete"] is True
    for figure, words in (("prefill", "24.0"), ("first", "0.5 s"), ("nonsense", "Total tok/s")):
        assert words in as_user(carol).get(f"/bench/{run.pk}?figure={figure}").text


def test_the_heat_map_has_a_place_for_every_level_and_says_what_is_missing(run):
    (line,) = heat_map(benchmark(run.pk), "total_rate")
    assert [square["why"] for square in line["squares"]] == ["not measured yet"] * 2
    finish(run)
    (line,) = heat_map(benchmark(run.pk), "total_rate")
    assert [square["shade"] for square in line["squares"]] == [0, 8]
    (line,) = heat_map(benchmark(run.pk), "first_token_seconds")
    assert all(square["value"] for square in line["squares"])


def test_it_is_measured_again_from_its_page(as_user, bob, carol, run):
    finish(run)
    as_user(carol).post(f"/bench/{run.pk}/again")
    assert Run.objects.count() == 1
    answer = as_user(bob).post(f"/bench/{run.pk}/again")
    second = Run.objects.latest("pk")
    assert answer["Location"] == f"/bench/{second.pk}"
    assert f"repeats benchmark {run.pk}" in as_user(bob).get(f"/bench/{second.pk}").text


def test_slots_are_set_by_those_who_may_change_nodes(as_user, alice, bob, run):
    as_user(bob).post(f"/bench/{run.pk}/slots", {"node": "gpu-a", "slots": "2"})
    assert Node.objects.get().slots_per_model == 4
    as_user(alice).post(f"/bench/{run.pk}/slots", {"node": "gpu-a", "slots": "2"})
    assert Node.objects.get().slots_per_model == 2
    as_user(alice).post(f"/bench/{run.pk}/slots", {"node": "gpu-z", "slots": "3"})
    assert Node.objects.get().slots_per_model == 2


def test_a_run_of_another_kind_is_no_benchmark(as_user, bob, submitted_task):
    assert as_user(bob).get(f"/bench/{submitted_task.run_id}").status_code == 404

"""Models: the list with its age, one in full, the catalogue."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.models import CatalogueState, ModelConfig, ModelDetails, Node, NodeModel, Task, UsageDay, User
from orchestration.permissions import Role
from orchestration.policy.states import NodeHealth

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.fixture
def erin(db):
    """A maintainer."""
    return User.objects.create_user("erin", role=Role.MAINTAINER)


@pytest.mark.parametrize("page", ["/models", "/models/llama3.2:latest", "/models/catalogue", "/models/qwen3:4b"])
@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_reads_about_models(page, name, request, as_user, node):
    assert as_user(request.getfixturevalue(name)).get(page).status_code == 200


def test_the_list_names_models_where_they_are_and_links_to_them(as_user, carol, make_node):
    make_node("gpu-a", models=("llama3.2:1b", "llama3.2:latest"), loaded=("llama3.2:1b",), listed_at=timezone.now())
    text = as_user(carol).get("/models").text
    assert 'href="/models/llama3.2:1b"' in text
    assert 'title="In memory on gpu-a"' in text
    assert "2 tags" in text
    assert "banner--in" not in text


@pytest.mark.parametrize(
    ("age", "sign"),
    [
        (timedelta(hours=5, minutes=59), ""),
        (timedelta(hours=6, minutes=1), "as of 6 h ago"),
        (timedelta(hours=23, minutes=59), "as of 23 h ago"),
        (timedelta(hours=24, minutes=1), "longer ago than can be relied on"),
    ],
)
def test_an_old_list_is_shown_with_its_age_and_looked_at_again(age, sign, as_user, carol, make_node):
    make_node(listed_at=timezone.now() - age)
    text = as_user(carol).get("/models").text
    assert 'href="/models/llama3.2:latest"' in text
    assert (sign in text) if sign else ("banner--in" not in text)
    assert ("It is being looked at again" in text) == bool(sign)
    assert ("data-unsure" in text) == ("relied" in sign)
    assert (Node.objects.get().listing_wanted_at is not None) == bool(sign)


def test_with_all_nodes_down_the_last_state_is_shown_at_once(as_user, carol, make_node):
    long_ago = timezone.now() - timedelta(hours=3)
    for name in ("gpu-a", "gpu-b"):
        make_node(name, listed_at=long_ago, health=NodeHealth.UNHEALTHY, listing_error="connection refused")
    browser = as_user(carol)
    for page in ("/models", "/models/llama3.2:latest"):
        text = browser.get(page).text
        assert text.count("is not reachable; shown as of 3 h ago") == 2
        assert "Connection refused" in text
        assert "on disk" in text


def test_an_operator_has_all_nodes_looked_at_again(as_user, bob, carol, node):
    assert as_user(bob).post("/models/refresh", headers={"Accept": "application/json"}).json() == {
        "message": "Looking again at gpu-a.",
        "url": "",
    }
    assert as_user(carol).post("/models/refresh", headers={"Accept": "application/json"}).status_code == 403


def test_other_weights_are_flagged_with_who_has_which(as_user, carol, make_node):
    for name, digest in (("gpu-a", "a" * 64), ("gpu-b", "b" * 64)):
        make_node(name)
        NodeModel.objects.filter(node__name=name).update(digest=digest)
    browser = as_user(carol)
    assert "Same tag, different weights" in browser.get("/models").text
    text = " ".join(browser.get("/models/llama3.2:latest").text.split())
    assert 'aaaaaaaaaaaa</span> on gpu-a; <span class="mono">bbbbbbbbbbbb</span> on gpu-b' in text


def test_one_model_is_shown_with_who_needs_it_what_was_told_and_what_was_done(as_user, carol, submitted_task):
    NodeModel.objects.update(digest="aaa")
    ModelDetails.objects.create(
        digest="aaa", template="{{ .Prompt }}", license="MIT <b>", metadata={"llama.block_count": 28},
        fetched_at=timezone.now(),
    )  # fmt: skip
    Task.objects.update(status="completed", model_used="llama3.2:latest", ended_at=timezone.now(), output_tokens=7)
    UsageDay.objects.create(
        day=timezone.now().date(), share=0, agent_name="writer", model_name="llama3.2:latest", completed=1
    )
    text = as_user(carol).get("/models/llama3.2:latest").text
    assert "its only model" in text
    assert "MIT &lt;b&gt;" in text
    assert "llama.block_count" in text
    assert 'href="/models/llama3.2:latest/config"' in text
    assert "agent=writer" in text


def test_a_model_that_was_only_decided_about_is_shown(as_user, carol):
    ModelConfig.objects.create(model_name="mistral:7b")
    assert "only its configuration is kept" in as_user(carol).get("/models/mistral:7b").text


def test_an_absent_model_comes_with_what_there_is_instead(as_user, carol, make_node):
    make_node(models=("llama3.2:3b",))
    browser = as_user(carol)
    text = browser.get("/models/llama3.2").text
    assert 'href="/models/llama3.2:3b"' in text
    assert "⬇ downloadable (2.0 GB)" in text
    unknown = browser.get("/models/mistrall:7b")
    assert unknown.status_code == 404
    assert 'href="/models/mistral:7b"' in unknown.text


def test_a_maintainer_pulls_it_on_the_nodes_that_were_ticked(as_user, erin, make_node):
    chosen, other = make_node("gpu-a", models=()), make_node("gpu-b", models=())
    answer = as_user(erin).post("/models/qwen3:4b/pull", {"node": [str(chosen.pk)]})
    task = Task.objects.get()
    assert (task.type, task.lane.node_id, other.pk != chosen.pk) == ("pull", chosen.pk, True)
    assert answer["Location"] == f"/runs/{task.run_id}"


@pytest.mark.parametrize("name", ["bob", "carol", "dave"])
def test_who_may_not_pull_sees_why(name, request, as_user, make_node):
    node = make_node(models=())
    browser = as_user(request.getfixturevalue(name))
    assert "needs the role maintainer" in browser.get("/models/qwen3:4b").text
    browser.post("/models/qwen3:4b/pull", {"node": [str(node.pk)]})
    assert not Task.objects.exists()


@pytest.mark.parametrize("ticked", [[], ["9" * 30], ["9" * 5000]])
def test_nothing_is_pulled_where_no_node_was_ticked(ticked, as_user, erin, node):
    data, accept = {"node": ticked}, {"Accept": "application/json"}
    answer = as_user(erin).post("/models/qwen3:4b/pull", data, headers=accept)
    assert answer.json()["error"]["message"].startswith("Tick the nodes")


def test_the_catalogue_is_searched_and_narrowed(as_user, carol, make_node):
    make_node(models=("qwen3:4b",))
    browser = as_user(carol)
    text = browser.get("/models/catalogue").text
    assert "✓ downloaded (2.0 GB)" in text
    assert "from the bundled list" in text
    assert "snowflake-arctic-embed2" in browser.get("/models/catalogue?q=languages&can=embedding").text
    assert "Nothing in the catalogue is like “xyz”" in browser.get("/models/catalogue?q=xyz").text


def test_a_library_that_could_not_be_read_is_told(as_user, carol):
    CatalogueState.objects.create(pk=1, tried_at=timezone.now(), error="https://ollama.test answered 500.")
    assert "https://ollama.test answered 500." in as_user(carol).get("/models/catalogue").text


def test_an_empty_fleet_leads_to_the_catalogue(as_user, carol, make_node):
    make_node(models=())
    assert "No models yet" in as_user(carol).get("/models").text

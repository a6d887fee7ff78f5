"""Models over REST: what is where, how sure that is, and what could be."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.api import models as api
from orchestration.models import Agent, ModelDetails, Node, NodeModel, RoleLease
from orchestration.policy.states import NodeHealth
from orchestration.queries.status import SCHEDULER_ROLE

from .conftest import ApiClient, refusal

pytestmark = pytest.mark.usefixtures("redis_server")
MODEL = "llama3.2:latest"
MakeNode = Callable[..., Node]


def test_models_are_grouped_by_base_name(carol_api: ApiClient, make_node: MakeNode) -> None:
    make_node("gpu-a", models=("llama3.2:1b", "llama3.2:latest"), loaded=("llama3.2:1b",))
    make_node("gpu-b", models=("llama3.2:1b", "codellama:7b"))
    answer = carol_api.get("models").json()
    assert [group["name"] for group in answer["models"]] == ["codellama", "llama3.2"]
    small = answer["models"][1]["variants"][0]
    assert (small["name"], small["installed_on"], small["loaded_on"]) == ("llama3.2:1b", ["gpu-a", "gpu-b"], ["gpu-a"])


@pytest.mark.parametrize(
    ("age", "state", "asked"),
    [
        (timedelta(hours=5, minutes=59), "fresh", False),
        (timedelta(hours=6, minutes=1), "stale", True),
        (timedelta(hours=23, minutes=59), "stale", True),
        (timedelta(hours=24, minutes=1), "expired", True),
    ],
)
def test_the_list_says_its_age_and_has_an_old_one_looked_at_again(
    age: timedelta, state: str, asked: bool, carol_api: ApiClient, make_node: MakeNode
) -> None:
    make_node(listed_at=timezone.now() - age)
    listing = carol_api.get("models").json()["listing"]
    assert (listing["state"], listing["looking"]) == (state, asked)
    assert (Node.objects.get().listing_wanted_at is not None) == asked


@pytest.fixture
def leader(db: None) -> None:
    RoleLease.objects.create(role=SCHEDULER_ROLE, holder="me", until=timezone.now() + timedelta(minutes=5), fence=1)


def test_nobody_waits_for_a_stale_list(
    carol_api: ApiClient, make_node: MakeNode, leader: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_node(listed_at=timezone.now() - timedelta(hours=23))
    monkeypatch.setattr(api.asyncio, "sleep", None)
    assert carol_api.get("models").status_code == 200


def test_nobody_waits_for_nodes_that_are_down(
    carol_api: ApiClient, make_node: MakeNode, leader: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_node(listed_at=timezone.now() - timedelta(days=3), health=NodeHealth.UNHEALTHY)
    monkeypatch.setattr(api.asyncio, "sleep", None)
    answer = carol_api.get("models").json()
    assert answer["models"][0]["name"] == "llama3.2"
    assert (answer["listing"]["state"], answer["listing"]["nodes"][0]["words"]) == ("expired", "as of 3 d ago")


@pytest.fixture
def monitor() -> Iterator[None]:
    """Looks at what is wanted, as the scheduler's does."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            now = timezone.now()
            Node.objects.exclude(listing_wanted_at=None).update(
                listing_wanted_at=None, listed_at=now, listing_tried_at=now
            )
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.django_db(transaction=True)
def test_an_expired_list_is_looked_at_again_first(
    carol_api: ApiClient, make_node: MakeNode, leader: None, monitor: None
) -> None:
    make_node(listed_at=timezone.now() - timedelta(days=2))
    listing = carol_api.get("models").json()["listing"]
    assert (listing["state"], listing["looking"]) == ("fresh", False)


def test_one_model_is_shown_in_full(carol_api: ApiClient, node: Node, agent: Agent) -> None:
    answer = carol_api.get("models/llama3.2").json()
    assert (answer["name"], answer["places"][0]["node"]) == (MODEL, "gpu-a")
    assert answer["dependents"]["words"] == "agent writer (its only model)"
    assert answer["usage"]["windows"]["24h"]["tasks"] == 0


@pytest.mark.parametrize("name", ["hub:5000/ana/poet:7b", "ana/poet:7b", "stats:7b"])
def test_names_may_contain_slashes_and_colons(name: str, carol_api: ApiClient, make_node: MakeNode) -> None:
    make_node(models=(name,))
    assert carol_api.get(f"models/{name}").json()["name"] == name


def test_an_unknown_model_is_not_found_with_what_it_could_be(carol_api: ApiClient, db: None) -> None:
    error = refusal(carol_api.get("models/mistrall:7b"), 404, "not_found")
    assert "mistral:7b" in error["message"]


def test_details_are_those_that_a_node_told(carol_api: ApiClient, node: Node) -> None:
    NodeModel.objects.update(digest="aaa")
    ModelDetails.objects.create(digest="aaa", license="MIT", fetched_at=timezone.now())
    assert carol_api.get("models/llama3.2:latest/details").json()["license"] == "MIT"


def test_details_that_nobody_told_are_asked_for(
    carol_api: ApiClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "LOOK_SECONDS", 0.2)
    assert "No node has told" in refusal(carol_api.get("models/llama3.2/details"), 404, "not_found")["message"]
    node.refresh_from_db()
    assert node.listing_wanted_at is not None


def test_the_catalogue_is_searched_by_words(carol_api: ApiClient, db: None) -> None:
    answer = carol_api.get("models/catalogue?q=qwen3%20thinking").json()
    assert "qwen3" in [row["name"] for row in answer["models"]]
    assert "⬇ downloadable (5.2 GB)" in [tag["words"] for row in answer["models"] for tag in row["tags"]]


def test_an_operator_has_all_or_some_nodes_looked_at_again(bob_api: ApiClient, make_node: MakeNode) -> None:
    make_node("gpu-a")
    make_node("gpu-b")
    assert bob_api.post("models/refresh", {"nodes": ["gpu-b"]}).json() == {"nodes": ["gpu-b"]}
    assert bob_api.post("models/refresh").json() == {"nodes": ["gpu-a", "gpu-b"]}
    assert bob_api.post("nodes/gpu-a/refresh").status_code == 202
    refusal(bob_api.post("models/refresh", {"nodes": ["gpu-x"]}), 404, "not_found")


def test_a_viewer_has_nothing_looked_at(carol_api: ApiClient, node: Node) -> None:
    refusal(carol_api.post("models/refresh"), 403, "not_allowed")
    refusal(carol_api.post("nodes/gpu-a/refresh"), 403, "not_allowed")


def test_what_was_done_with_models_is_told_by_window(carol_api: ApiClient, db: None) -> None:
    assert carol_api.get("models/stats").json() == {"windows": {"24h": {}, "7d": {}, "30d": {}}}


@pytest.mark.parametrize("path", ["models", "models/x", "models/stats", "models/catalogue", "models/x/details"])
def test_nobody_reads_without_a_key(path: str, anybody: ApiClient) -> None:
    refusal(anybody.get(path), 401, "not_authenticated")

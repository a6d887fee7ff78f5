"""What the fleet knows of its models, and how sure that is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from orchestration.errors import NotFound
from orchestration.models import ModelConfig, ModelDetails, Node, NodeModel, NodeVariant, OllamaModel
from orchestration.queries import models

MODEL = "llama3.2:latest"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MakeNode = Callable[..., Node]


@pytest.mark.parametrize(
    ("asked", "installed", "presence"),
    [
        ("llama3.2", ("llama3.2:latest",), "exact"),
        ("llama3.2", ("llama3.2:3b",), "other_tag"),
        ("llama3.2:3b", ("llama3.2:latest",), "other_tag"),
        ("llama3.2:3b", (), "absent"),
    ],
)
def test_the_status_of_a_name_says_what_is_installed_of_it(asked, installed, presence, make_node: MakeNode) -> None:
    make_node(models=installed)
    found = models.status(asked)
    assert (found["presence"], found["downloadable"]) == (presence, True)
    assert found["others"] == (list(installed) if presence == "other_tag" else [])


def test_what_no_catalogue_knows_comes_with_near_names(db: None) -> None:
    found = models.status("lama3.2:3b")
    assert (found["presence"], found["downloadable"]) == ("absent", False)
    assert "llama3.2:3b" in found["near"]


def test_models_are_grouped_by_their_base_name(make_node: MakeNode) -> None:
    make_node(models=("llama3.2:latest", "llama3.2:3b", "hub:5000/ana/poet:7b"))
    found = {group["name"]: [row["name"] for row in group["variants"]] for group in models.groups()}
    assert found == {"llama3.2": ["llama3.2:3b", "llama3.2:latest"], "hub:5000/ana/poet": ["hub:5000/ana/poet:7b"]}


def test_other_weights_under_the_same_name_are_flagged_with_who_has_which(make_node: MakeNode) -> None:
    for name, digest in (("gpu-a", "aaa"), ("gpu-b", "aaa"), ("gpu-c", "bbb"), ("gpu-d", "")):
        make_node(name)
        NodeModel.objects.filter(node__name=name).update(digest=digest)
    [row] = models.model_rows()
    assert row["differs"]
    assert row["digests"] == {"aaa": ["gpu-a", "gpu-b"], "bbb": ["gpu-c"]}
    places = {place["node"]: place["same"] for place in models.model(MODEL)["places"]}
    assert places == {"gpu-a": True, "gpu-b": True, "gpu-c": False, "gpu-d": True}


def test_of_as_many_nodes_the_newer_weights_are_the_usual_ones(make_node: MakeNode) -> None:
    for name, digest, age in (("gpu-a", "aaa", 3), ("gpu-b", "bbb", 1)):
        make_node(name)
        NodeModel.objects.filter(node__name=name).update(digest=digest, modified_at=NOW - timedelta(days=age))
    assert models.usual_digest(NodeModel.objects.all()) == "bbb"


@pytest.mark.parametrize(
    ("age", "state", "words"),
    [
        (timedelta(hours=5, minutes=59), "fresh", "as of 5 h ago"),
        (timedelta(hours=6, minutes=1), "stale", "as of 6 h ago"),
        (timedelta(hours=23, minutes=59), "stale", "as of 23 h ago"),
        (timedelta(hours=24, minutes=1), "expired", "as of 1 d ago"),
    ],
)
def test_the_age_of_a_list_decides_how_it_is_shown(age, state, words, make_node: MakeNode) -> None:
    make_node(listed_at=NOW - age)
    found = models.fleet_listing(now=NOW)
    assert (found["state"], found["nodes"][0]["state"], found["nodes"][0]["words"]) == (state, state, words)
    assert models.model_rows(now=NOW)[0]["sure"] == (state != "expired")


def test_the_limits_are_settings(make_node: MakeNode, settings) -> None:
    settings.DROVER_LISTING_FRESH, settings.DROVER_LISTING_STALE = timedelta(minutes=1), timedelta(minutes=2)
    make_node(listed_at=NOW - timedelta(seconds=90))
    assert models.fleet_listing(now=NOW)["state"] == "stale"


def test_the_oldest_list_speaks_for_the_fleet_but_not_that_of_a_disabled_node(make_node: MakeNode) -> None:
    make_node("gpu-a", listed_at=NOW)
    make_node("gpu-b", listed_at=NOW - timedelta(hours=7), listing_wanted_at=NOW)
    make_node("gpu-c", listed_at=None, enabled=False)
    found = models.fleet_listing(now=NOW)
    assert (found["state"], found["looking"]) == ("stale", True)


def test_what_is_on_no_node_is_not_found_with_what_it_could_have_been(make_node: MakeNode) -> None:
    make_node(models=("llama3.2:3b",))
    with pytest.raises(NotFound, match=r"Installed is llama3\.2:3b"):
        models.model("llama3.2")
    with pytest.raises(NotFound, match="It can be pulled"):
        models.model("mistral:7b")
    with pytest.raises(NotFound, match="Did you mean mistral"):
        models.model("mistrall:7b")


def test_what_was_only_decided_about_is_shown_without_places(db: None) -> None:
    ModelConfig.objects.create(model_name="mistral:7b", enabled=False)
    found = models.model("mistral:7b")
    assert (found["places"], found["enabled"], found["configured"]) == ([], False, True)


def test_details_are_those_of_the_weights_that_most_nodes_have(make_node: MakeNode) -> None:
    make_node()
    NodeModel.objects.update(digest="aaa")
    assert models.details(MODEL) is None
    ModelDetails.objects.create(digest="aaa", template="{{ .Prompt }}", fetched_at=timezone.now())
    found = models.model("llama3.2")["details"]
    assert found is not None
    assert found["template"] == "{{ .Prompt }}"


def test_a_place_says_when_the_model_was_used_there_last(make_node: MakeNode) -> None:
    node = make_node("gpu-a")
    make_node("gpu-b")
    for num_ctx, hours in ((4096, 5), (8192, 2)):
        used = NOW - timedelta(hours=hours)
        NodeVariant.objects.create(node=node, model_name=MODEL, num_ctx=num_ctx, last_used_at=used)
    found = {place["node"]: place["last_used_at"] for place in models.model(MODEL)["places"]}
    assert found == {"gpu-a": "2026-11-01T10:00:00.000Z", "gpu-b": None}


def test_the_list_takes_two_queries(make_node: MakeNode, django_assert_num_queries) -> None:
    for name in ("gpu-a", "gpu-b", "gpu-c"):
        make_node(name, models=("llama3.2:latest", "mistral:7b"))
    with django_assert_num_queries(2):
        assert len(models.model_rows()) == 2
    assert OllamaModel.objects.count() == 2

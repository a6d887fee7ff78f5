"""Nodes, models and configurations as the doors show them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from orchestration import queries
from orchestration.errors import NotFound
from orchestration.models import LoadPlan, ModelConfig, Node, NodeModel, OllamaModel

SMALL, BIG = "small:1b", "big:70b"


@pytest.fixture
def herd(make_node: Callable[..., Node]) -> list[Node]:
    return [
        make_node("gpu-a", models=(BIG, SMALL), loaded=(SMALL,)),
        make_node("gpu-b", models=(BIG,), loaded=(BIG,), draining=True),
        make_node("gpu-c", models=(), enabled=False),
    ]


def test_nodes_come_with_their_models_the_loaded_ones_first(
    herd: list[Node], django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(2):
        rows = queries.nodes()
    assert [(row["name"], row["status"]) for row in rows] == [
        ("gpu-a", "healthy"),
        ("gpu-b", "draining"),
        ("gpu-c", "disabled"),
    ]
    assert [model["name"] for model in rows[0]["models"]] == [SMALL, BIG]


def test_a_node_that_tells_of_thousands_of_models_is_shown(make_node: Callable[..., Node]) -> None:
    node = make_node("gpu-a", models=())
    models = OllamaModel.objects.bulk_create(OllamaModel(name=f"m{number}:x") for number in range(2500))
    NodeModel.objects.bulk_create(NodeModel(node=node, model=model) for model in models)
    assert len(queries.node_detail("gpu-a")["models"]) == len(queries.nodes()[0]["models"]) == 2500


def test_a_node_comes_with_the_load_it_is_committed_to(herd: list[Node]) -> None:
    now = timezone.now()
    LoadPlan.objects.create(node=herd[0], model_name=BIG, num_ctx=4096, planned_at=now, token="t", reason="it waits")
    plan = queries.node_detail("gpu-a")["plan"]
    assert plan is not None
    assert (plan["model"], plan["state"], plan["reason"]) == (BIG, "making_room", "it waits")
    assert queries.node_detail("gpu-b")["plan"] is None


def test_a_node_is_found_by_id_and_by_name(herd: list[Node]) -> None:
    assert queries.get_node("gpu-b") == queries.get_node(herd[1].pk) == queries.get_node(str(herd[1].pk)) == herd[1]
    assert queries.node_detail("gpu-b")["models"][0]["name"] == BIG
    for missing in ("gpu-z", 999, "9" * 30):
        with pytest.raises(NotFound):
            queries.get_node(missing)


def test_a_model_says_where_it_is_and_where_it_is_loaded(herd: list[Node]) -> None:
    big, small = queries.known_models()
    assert (big["name"], big["installed_on"], big["loaded_on"]) == (BIG, ["gpu-a", "gpu-b"], ["gpu-b"])
    assert (small["name"], small["loaded_on"]) == (SMALL, ["gpu-a"])


def test_a_model_that_was_deleted_but_is_still_loaded_is_installed_nowhere(herd: list[Node]) -> None:
    NodeModel.objects.filter(model__name=SMALL).update(installed=False)
    assert queries.known_models()[1]["installed_on"] == []


def test_configurations_are_listed_and_found(db: None) -> None:
    config = ModelConfig.objects.create(model_name=BIG, fallbacks=[SMALL])
    assert [row["fallbacks"] for row in queries.model_configs()] == [[SMALL]]
    assert queries.get_model_config(config.pk) == config
    with pytest.raises(NotFound):
        queries.get_model_config(config.pk + 1)

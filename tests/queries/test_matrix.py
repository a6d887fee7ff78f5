"""The matrix of models and nodes."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import LoadPlan, Node, NodeModel, Pull, Task
from orchestration.permissions import Actor
from orchestration.policy.states import ErrandType
from orchestration.queries.matrix import MatrixCell, matrix
from orchestration.services import errands

HERE = "llama3.2:latest"


@pytest.fixture
def herd(make_node: Callable[..., Node]) -> list[Node]:
    return [make_node("gpu-a"), make_node("gpu-b", loaded=(HERE,)), make_node("gpu-c", models=())]


def cells(model: str = HERE) -> dict[str, MatrixCell]:
    row = next(row for row in matrix()["rows"] if row["model"] == model)
    return {cell["node"]: cell for cell in row["cells"]}


@pytest.mark.usefixtures("herd")
def test_each_cell_says_what_there_is_of_a_model_on_a_node() -> None:
    states = {name: cell["state"] for name, cell in cells().items()}
    assert states["gpu-b"] == "loaded"
    assert states["gpu-c"] == "absent"


def test_a_load_under_way_shows(herd: list[Node]) -> None:
    NodeModel.objects.filter(node=herd[0]).update(loaded=False)
    now = timezone.now()
    LoadPlan.objects.create(
        node=herd[0], model_name=HERE, num_ctx=4096, planned_at=now, loading_since=now, token="t", expected_seconds=5
    )
    assert cells()["gpu-a"]["state"] == "loading"


def test_a_pull_shows_how_far_it_is_where_the_model_will_be(as_alice: Actor, herd: list[Node]) -> None:
    errands.submit(actor=as_alice, type=ErrandType.PULL, models=["qwen3:8b"], node_ids=[herd[2].pk])
    Task.objects.update(status="running")
    Pull.objects.update(done_bytes=430, total_bytes=1000, bytes_per_second=None)
    cell = cells("qwen3:8b")["gpu-c"]
    errand: Any = cell["errand"]
    assert (cell["state"], errand["doing"], errand["share"], errand["words"]) == (
        "absent",
        "pulling",
        43.0,
        "430 B of 1 kB",
    )


def test_other_weights_under_the_same_name_are_named_with_who_has_which(
    herd: list[Node], make_node: Callable[..., Node]
) -> None:
    make_node("gpu-d")
    NodeModel.objects.filter(model__name=HERE).update(digest="a" * 64)
    assert not any(cell["mismatch"] for cell in cells().values())
    NodeModel.objects.filter(node=herd[1]).update(digest="b" * 64)
    row = next(row for row in matrix()["rows"] if row["model"] == HERE)
    assert [cell["node"] for cell in row["cells"] if cell["mismatch"]] == ["gpu-b"]
    assert row["mismatch"] == ("Same tag, different weights: gpu-a, gpu-d have aaaaaaaaaaaa; gpu-b has bbbbbbbbbbbb")


def test_the_number_of_queries_does_not_grow(
    as_alice: Actor, herd: list[Node], make_node: Callable[..., Node], django_assert_max_num_queries: Any
) -> None:
    errands.submit(actor=as_alice, type=ErrandType.PULL, models=["qwen3:8b", "mistral"])
    for number in range(5):
        make_node(f"more-{number}", models=(HERE, "qwen3:8b", "codellama:7b"))
    with django_assert_max_num_queries(6):
        matrix()

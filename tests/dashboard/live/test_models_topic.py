"""What a tab is told of models and of the cells of the matrix."""

import pytest

from dashboard.live.reads import read
from orchestration.services import model_pins

pytestmark = pytest.mark.django_db(transaction=True)


async def test_models_are_listed_with_their_nodes(open_tab, node):
    snap = await (await open_tab()).subscribe("models")
    assert snap["models"][0]["installed_on"] == ["gpu-a"]


async def test_a_cell_of_the_matrix_is_told_when_it_changes_and_others_are_not(open_tab, make_node, as_alice):
    first = await read(make_node, "gpu-a")
    await read(make_node, "gpu-b")
    tab = await open_tab()
    snap = await tab.subscribe("models")
    key = f"cell:{first.pk}:llama3.2:latest"
    assert snap[key]["state"] in ("loaded", "on_disk")
    await read(lambda: model_pins.set_pinned(actor=as_alice, node_id=first.pk, model="llama3.2", pinned=True))
    (cell, *_) = await tab.until(lambda tab: tab.deltas("models", key))
    assert cell["pinned"]
    assert not tab.deltas("models", "there")

"""What servers tell of their weights: asked for once, a few at a time, and not again and again where they refuse."""

from collections.abc import Callable

import pytest
from asgiref.sync import async_to_sync

from orchestration.engine import details
from orchestration.engine.clients import new_client
from orchestration.engine.details import Details
from orchestration.models import ModelDetails, Node, NodeModel
from orchestration.ollama.simulator import NodeSpec

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]
MODELS = ("llama3.2:latest", "mistral:7b", "qwen3:8b")


@pytest.fixture
def server(make_simulator, make_node: Callable[..., Node]):
    handle = make_simulator([NodeSpec(name="gpu-a", models=MODELS)]).nodes[0]
    node = make_node(models=MODELS, base_url=handle.url)
    for row in NodeModel.objects.all():
        NodeModel.objects.filter(pk=row.pk).update(digest=row.model.name.partition(":")[0])
    return handle, node


def _learn(known: Details, url: str, node: Node) -> set[str]:
    async def work() -> None:
        async with new_client(url, verify_tls=True) as client:
            await known.learn(client, node.pk)

    async_to_sync(work)()
    return set(ModelDetails.objects.values_list("digest", flat=True))


def test_a_few_are_asked_for_at_each_look(server, monkeypatch) -> None:
    handle, node = server
    monkeypatch.setattr(details, "PER_LOOK", 2)
    known = Details()
    assert _learn(known, handle.url, node) == {"llama3.2", "mistral"}
    assert len(_learn(known, handle.url, node)) == 3


def test_one_that_is_refused_hides_no_other_and_is_left_alone_for_a_while(server, monkeypatch) -> None:
    handle, node = server
    handle.faults({"kind": "not_found", "path": "/api/show", "model": "llama3.2:latest", "count": 1})
    known = Details()
    assert _learn(known, handle.url, node) == {"mistral", "qwen3"}
    assert _learn(known, handle.url, node) == {"mistral", "qwen3"}
    monkeypatch.setattr(known, "_refused", {})
    assert _learn(known, handle.url, node) == {"llama3.2", "mistral", "qwen3"}


def test_a_server_that_is_gone_is_asked_no_further(server) -> None:
    _, node = server
    known = Details()
    assert _learn(known, "http://127.0.0.1:1", node) == set()
    assert len(known._refused) == 1

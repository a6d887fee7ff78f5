import threading
from collections.abc import Callable

import pytest
from asgiref.sync import async_to_sync

from orchestration.engine.clients import new_client
from orchestration.engine.monitor import Descriptions, Monitor, poll_node
from orchestration.models import Attempt, ModelDetails, Node, NodeModel, OllamaModel, Task
from orchestration.ollama.simulator import NodeSpec
from orchestration.policy.states import NodeHealth, TaskStatus
from orchestration.services import listings, nodes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


async def _poll(url: str) -> nodes.Poll:
    client = new_client(url, verify_tls=True)
    try:
        return await poll_node(client, with_tags=True)
    finally:
        await client.aclose()


@pytest.fixture
def simulated(make_simulator, make_node: Callable[..., Node]):
    herd = make_simulator([NodeSpec(name="gpu-a", models=("llama3.2:latest", "nomic-embed-text:latest"))])
    return herd.nodes[0], make_node("sim", models=(), base_url=herd.nodes[0].url, health=NodeHealth.UNKNOWN)


def _look(node: Node, url: str) -> Node:
    recorded = nodes.record_poll(node_id=node.pk, poll=async_to_sync(_poll)(url))
    assert recorded is not None
    return recorded


def test_a_poll_finds_version_and_models(simulated):
    handle, node = simulated
    seen = _look(node, handle.url)
    assert seen.health == NodeHealth.HEALTHY
    assert seen.ollama_version == "0.33.0-rc2"
    assert set(seen.node_models.values_list("model__name", flat=True)) == {
        "llama3.2:latest",
        "nomic-embed-text:latest",
    }


def test_models_of_an_older_server_are_known_with_what_they_can_do(make_simulator, make_node):
    models = ("llama3.2:latest", "nomic-embed-text:latest")
    handle = make_simulator([NodeSpec(models=models, version="0.24.0")]).nodes[0]
    _look(make_node("sim", models=(), base_url=handle.url), handle.url)
    known = {model.name: model for model in OllamaModel.objects.all()}
    assert known["nomic-embed-text:latest"].capabilities == ["embedding"]
    assert known["nomic-embed-text:latest"].context_length == 2048
    assert "tools" in known["llama3.2:latest"].capabilities


async def test_a_model_of_an_older_server_is_asked_about_once(make_simulator):
    handle = make_simulator([NodeSpec(models=("llama3.2:latest",), version="0.24.0")]).nodes[0]
    descriptions: Descriptions = {}
    async with new_client(handle.url, verify_tls=True) as client:
        for _ in range(2):
            poll = await poll_node(client, with_tags=True, descriptions=descriptions)
            assert poll.installed[0].context_length == 131_072
            handle.faults({"kind": "server_error", "path": "/api/show"})


async def test_a_model_that_cannot_be_described_hides_no_other_and_fails_no_poll(make_simulator):
    handle = make_simulator([NodeSpec(models=("llama3.2:latest", "mistral:7b"), version="0.24.0")]).nodes[0]
    handle.faults({"kind": "server_error", "path": "/api/show", "count": 1})
    async with new_client(handle.url, verify_tls=True) as client:
        poll = await poll_node(client, with_tags=True)
    assert poll.error == ""
    assert sorted(bool(model.capabilities) for model in poll.installed) == [False, True]


def test_a_node_turns_unhealthy_only_after_some_failed_polls_and_says_why(simulated, settings):
    handle, node = simulated
    _look(node, handle.url)
    for _ in range(settings.DROVER_NODE_FAILURES - 1):
        assert _look(node, "http://127.0.0.1:1").health == NodeHealth.HEALTHY
    seen = _look(node, "http://127.0.0.1:1")
    assert seen.health == NodeHealth.UNHEALTHY
    assert "refused" in seen.health_reason


def test_a_failed_poll_never_replaces_what_is_known(simulated):
    handle, node = simulated
    _look(node, handle.url)
    _look(node, "http://127.0.0.1:1")
    assert NodeModel.objects.filter(node=node, installed=True).count() == 2


GARBAGE = {
    "html": {"kind": "html"},
    "no JSON": {"kind": "body", "message": '{"models": [{"na'},
    "no list": {"kind": "body", "message": '{"models": 7}'},
    "no models": {"kind": "body", "message": '{"tags": []}'},
    "a row without a name": {"kind": "body", "message": '{"models": [{"name": "a:1b", "size": 5}, {"size": 5}]}'},
    "rows that are no objects": {"kind": "body", "message": '{"models": ["llama3.2:latest"]}'},
    "a size in words": {"kind": "body", "message": '{"models": [{"name": "a:1b", "size": "large"}]}'},
    "an error": {"kind": "server_error"},
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_a_node_that_answers_garbage_keeps_the_good_data_and_says_so(simulated, garbage):
    handle, node = simulated
    good = _look(node, handle.url)
    handle.faults({**garbage, "path": "/api/tags"})
    for _ in range(3):
        seen = _look(node, handle.url)
    assert (seen.health, seen.listed_at) == (NodeHealth.HEALTHY, good.listed_at)
    assert seen.listing_error
    assert seen.listing_tried_at > good.listed_at
    assert NodeModel.objects.filter(node=node, installed=True).count() == 2
    handle.clear_faults()
    seen = _look(node, handle.url)
    assert (seen.listing_error, seen.listed_at > good.listed_at) == ("", True)


def test_an_empty_list_is_believed_when_it_comes_twice(simulated):
    handle, node = simulated
    _look(node, handle.url)
    handle.faults({"kind": "body", "path": "/api/tags", "message": '{"models": []}'})
    assert "asked once more" in _look(node, handle.url).listing_error
    assert NodeModel.objects.filter(node=node, installed=True).count() == 2
    assert _look(node, handle.url).listing_error == ""
    assert not NodeModel.objects.filter(node=node, installed=True).exists()


def test_what_nobody_told_of_the_weights_is_asked_for(simulated):
    _, node = simulated
    async_to_sync(_looked_at)(Monitor(threading.Event(), threading.Event()), node)
    shown = ModelDetails.objects.get(digest=NodeModel.objects.get(model__name="llama3.2:latest").digest)
    assert shown.template
    assert shown.metadata["general.architecture"] == "llama"
    assert ModelDetails.objects.count() == 2


def test_a_list_that_somebody_asked_for_comes_with_the_next_look(simulated, as_bob):
    _, node = simulated
    monitor = Monitor(threading.Event(), threading.Event())
    async_to_sync(_looked_at)(monitor, node, times=2)
    node.refresh_from_db()
    listed = node.listed_at
    listings.ask(actor=as_bob)
    node.refresh_from_db()
    async_to_sync(_looked_at)(monitor, node)
    node.refresh_from_db()
    assert node.listed_at > listed
    assert node.listing_wanted_at is None


async def _looked_at(monitor: Monitor, node: Node, times: int = 1) -> None:
    for _ in range(times):
        await monitor._look(node)
    for client in monitor._clients.values():
        await client.aclose()
    monitor._clients.clear()


def test_what_ran_on_a_lost_node_returns_to_the_line_without_using_a_try(
    simulated, submitted_task: Task, settings
) -> None:
    from django.utils import timezone

    from orchestration.policy.decision import Grant
    from orchestration.services import attempts, grants

    handle, node = simulated
    _look(node, handle.url)
    now = timezone.now()
    grant = Grant(
        task_id=submitted_task.pk, node_id=node.pk, model="llama3.2:latest", num_ctx=4096, slot=0, reason="test"
    )
    grants.assign(grants=[grant], now=now)
    attempt = Attempt.objects.get()
    assert attempts.start(attempt_id=attempt.pk, token=attempt.token, worker="w", now=now)
    for _ in range(settings.DROVER_NODE_FAILURES):
        _look(node, "http://127.0.0.1:1")
    submitted_task.refresh_from_db()
    attempt.refresh_from_db()
    assert (submitted_task.status, submitted_task.tries) == (TaskStatus.PENDING, 0)
    assert "stopped answering" in attempt.error


def test_the_monitor_polls_while_it_leads(simulated, settings):
    _, node = simulated
    stop, leads = threading.Event(), threading.Event()
    thread = threading.Thread(target=Monitor(stop, leads).run)
    thread.start()
    leads.set()
    waiting = threading.Event()
    for _ in range(400):
        node.refresh_from_db()
        if node.health == NodeHealth.HEALTHY:
            break
        waiting.wait(0.05)
    stop.set()
    thread.join(20)
    assert node.health == NodeHealth.HEALTHY


def test_a_node_whose_address_is_no_longer_allowed_turns_unhealthy_and_says_why(make_node: Callable[..., Node]):
    node = make_node(base_url="http://169.254.169.254", health=NodeHealth.UNKNOWN)
    async_to_sync(Monitor(threading.Event(), threading.Event())._look)(node)
    node.refresh_from_db()
    assert node.health == NodeHealth.UNHEALTHY
    assert "never allowed" in node.health_reason

"""Nodes: what people change, and what the monitor sees of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.errors import Conflict, InvalidInput, InvalidNodeAddress, NotAllowed, NotFound
from orchestration.models import Attempt, AuditEntry, Node, NodeModel, OllamaModel, Task
from orchestration.ollama.wire import InstalledModel, LoadedModel
from orchestration.permissions import Actor
from orchestration.policy.circuit import Circuit
from orchestration.policy.states import NodeHealth
from orchestration.services import nodes
from tests.services.conftest import Give

URL = "http://10.1.2.3:11434"


def installed(name: str = "llama3.2:latest", **fields: Any) -> InstalledModel:
    kept: dict[str, Any] = {
        "digest": "d1",
        "size_bytes": 2_000_000_000,
        "family": "llama",
        "families": ("llama",),
        "parameter_size": "3.2B",
        "quantization": "Q4_K_M",
        "capabilities": ("completion",),
        "context_length": 131_072,
        "embedding_length": 3072,
        "modified_at": datetime(2026, 1, 1, tzinfo=UTC),
        "remote": False,
    }
    return InstalledModel(name=name, **{**kept, **fields})


def loaded(name: str = "llama3.2:latest", **fields: Any) -> LoadedModel:
    kept: dict[str, Any] = {
        "digest": "d1",
        "size_bytes": 3_000_000_000,
        "vram_bytes": 3_000_000_000,
        "context_length": 4096,
        "expires_at": datetime(2026, 1, 1, 1, tzinfo=UTC),
    }
    return LoadedModel(name=name, **{**kept, **fields})


def seen(node: Node, **fields: Any) -> Node:
    kept: dict[str, Any] = {"at": timezone.now(), "ollama_version": "0.13.0", "latency_seconds": 0.01}
    after = nodes.record_poll(node_id=node.pk, poll=nodes.Poll(**{**kept, **fields}))
    assert after is not None
    return Node.objects.get(pk=node.pk)


# People ---------------------------------------------------------------------------------------------------------------


def test_a_node_is_added_with_its_address_in_one_spelling(as_alice: Actor) -> None:
    node = nodes.create(actor=as_alice, name=" gpu-z ", base_url="10.1.2.3", labels=("fast",))
    assert (node.name, node.base_url, node.labels, node.health) == ("gpu-z", URL, ["fast"], NodeHealth.UNKNOWN)
    assert AuditEntry.objects.get().detail == {"base_url": URL}


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/",
        "http://metadata.google.internal/",
        "file:///etc/passwd",
        "ftp://10.0.0.1",
        "http://user:secret@10.0.0.1",
        "http://[fe80::1]:11434",
        "http://2852039166/",
        "",
    ],
)
def test_an_address_that_may_not_be_called_leaves_no_row(url: str, as_alice: Actor) -> None:
    with pytest.raises(InvalidNodeAddress):
        nodes.create(actor=as_alice, name="gpu-z", base_url=url)
    assert not Node.objects.exists()
    assert not AuditEntry.objects.exists()


def test_private_addresses_can_be_switched_off(as_alice: Actor, settings: Any) -> None:
    settings.DROVER_ALLOW_PRIVATE_NODES = False
    with pytest.raises(InvalidNodeAddress):
        nodes.create(actor=as_alice, name="gpu-z", base_url=URL)


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "123"}, {"labels": [1]}, {"labels": None}, {"bogus": 1}])
def test_bad_fields_are_refused(fields: dict[str, Any], as_alice: Actor) -> None:
    with pytest.raises(InvalidInput):
        nodes.create(actor=as_alice, **{"name": "gpu-z", "base_url": URL, **fields})


def test_no_slots_at_all_are_refused(as_alice: Actor) -> None:
    with pytest.raises(InvalidInput, match="slots_per_model"):
        nodes.create(actor=as_alice, name="gpu-z", base_url=URL, slots_per_model=0)


@pytest.mark.parametrize("fields", [{"name": "gpu-a"}, {"base_url": "http://gpu-a.test:11434/"}])
def test_a_name_or_an_address_that_is_taken_is_a_conflict(fields: dict[str, Any], as_alice: Actor, node: Node) -> None:
    with pytest.raises(Conflict):
        nodes.create(actor=as_alice, **{"name": "gpu-z", "base_url": URL, **fields})


def test_a_circuit_is_closed_by_hand_and_that_is_on_record(as_alice: Actor, node: Node) -> None:
    Node.objects.update(faults=7, circuit_until=timezone.now(), circuit_reason="HTTP 500")
    closed = nodes.reset_circuit(actor=as_alice, node_id=node.pk)
    assert closed.circuit == Node.objects.get().circuit == Circuit()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.detail) == ("node.circuit_closed", {"failures": 7})


def test_a_closed_circuit_that_is_closed_again_leaves_no_record(as_alice: Actor, node: Node) -> None:
    nodes.reset_circuit(actor=as_alice, node_id=node.pk)
    assert not AuditEntry.objects.exists()


def test_a_changed_address_starts_with_a_closed_circuit(as_alice: Actor, node: Node) -> None:
    Node.objects.update(faults=7, circuit_until=timezone.now(), circuit_reason="HTTP 500")
    nodes.update(actor=as_alice, node_id=node.pk, base_url=URL)
    assert Node.objects.get().circuit == Circuit()


def test_an_operator_may_not(as_bob: Actor, node: Node) -> None:
    for act in (
        lambda: nodes.create(actor=as_bob, name="gpu-z", base_url=URL),
        lambda: nodes.update(actor=as_bob, node_id=node.pk, enabled=False),
        lambda: nodes.set_draining(actor=as_bob, node_id=node.pk, draining=True),
        lambda: nodes.reset_circuit(actor=as_bob, node_id=node.pk),
        lambda: nodes.delete(actor=as_bob, node_id=node.pk),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_a_node_that_is_not_there_is_not_found(as_alice: Actor) -> None:
    with pytest.raises(NotFound):
        nodes.update(actor=as_alice, node_id=9, enabled=False)


def test_a_new_address_is_an_unknown_server(begin: Give, submitted_task: Task, node: Node, as_alice: Actor) -> None:
    begin(submitted_task)
    nodes.update(actor=as_alice, node_id=node.pk, base_url=URL)
    node.refresh_from_db()
    assert (node.health, node.ollama_version, node.failures) == (NodeHealth.UNKNOWN, "", 0)
    assert Task.objects.get().status == "pending"


def test_a_new_address_has_its_own_models_and_takes_no_news_from_the_old_one(node: Node, as_alice: Actor) -> None:
    old = node.base_url
    nodes.update(actor=as_alice, node_id=node.pk, base_url=URL)
    assert not node.node_models.exists()
    poll = nodes.Poll(at=timezone.now(), ollama_version="0.13.0", latency_seconds=0.01, installed=[installed()])
    assert nodes.record_poll(node_id=node.pk, poll=poll, base_url=old) is None
    assert Node.objects.get(pk=node.pk).health == NodeHealth.UNKNOWN
    assert not node.node_models.exists()
    assert nodes.record_poll(node_id=node.pk, poll=poll, base_url=URL) is not None
    assert node.node_models.count() == 1


def test_a_new_label_leaves_health_and_work_alone(
    begin: Give, submitted_task: Task, node: Node, as_alice: Actor
) -> None:
    begin(submitted_task)
    nodes.update(actor=as_alice, node_id=node.pk, labels=["fast"])
    node.refresh_from_db()
    assert (node.health, Task.objects.get().status) == (NodeHealth.HEALTHY, "running")


def test_a_disabled_node_gives_up_what_it_has(begin: Give, submitted_task: Task, node: Node, as_alice: Actor) -> None:
    begin(submitted_task)
    nodes.update(actor=as_alice, node_id=node.pk, enabled=False)
    assert Task.objects.get().status == "pending"
    assert Attempt.objects.get().error == "gpu-a was disabled by alice"


def test_a_draining_node_finishes_what_it_has(begin: Give, submitted_task: Task, node: Node, as_alice: Actor) -> None:
    begin(submitted_task)
    nodes.set_draining(actor=as_alice, node_id=node.pk, draining=True)
    nodes.set_draining(actor=as_alice, node_id=node.pk, draining=True)
    assert Task.objects.get().status == "running"
    assert AuditEntry.objects.filter(action="node.drained").count() == 1
    assert not nodes.set_draining(actor=as_alice, node_id=node.pk, draining=False).draining


def test_a_removed_node_stays_in_the_history_by_name(
    begin: Give, submitted_task: Task, node: Node, as_alice: Actor
) -> None:
    begin(submitted_task)
    nodes.delete(actor=as_alice, node_id=node.pk)
    assert not Node.objects.exists()
    assert Task.objects.get().status == "pending"
    assert Attempt.objects.get().node_name == "gpu-a"


# Rests ----------------------------------------------------------------------------------------------------------------


def test_a_rest_says_who_gave_it_why_and_until_when(node: Node, as_alice: Actor) -> None:
    until = timezone.now() + timedelta(hours=2)
    nodes.set_draining(actor=as_alice, node_id=node.pk, draining=True, note="  new\tcard ", until=until)
    node.refresh_from_db()
    assert (node.drain_note, node.drain_until, node.drained_by) == ("new card", until, "alice")
    assert AuditEntry.objects.get().detail == {"note": "new card", "until": until.isoformat()}


def test_a_rest_can_be_made_longer_and_ends_without_a_trace(node: Node, as_alice: Actor) -> None:
    until = timezone.now() + timedelta(hours=2)
    for note, end in (("a", None), ("b", until)):
        nodes.set_draining(actor=as_alice, node_id=node.pk, draining=True, note=note, until=end)
    nodes.set_draining(actor=as_alice, node_id=node.pk, draining=False)
    node.refresh_from_db()
    assert (node.drain_note, node.drain_until, node.drained_by, node.drained_at) == ("", None, "", None)
    assert AuditEntry.objects.count() == 3


def test_a_rest_does_not_end_in_the_past(node: Node, as_alice: Actor) -> None:
    with pytest.raises(InvalidInput, match="future"):
        nodes.set_draining(actor=as_alice, node_id=node.pk, draining=True, until=timezone.now())


def test_a_rest_ends_by_itself_and_that_is_on_record(make_node: Callable[..., Node], as_alice: Actor) -> None:
    now = timezone.now()
    ends, later, open_end = (make_node(name) for name in ("gpu-a", "gpu-b", "gpu-c"))
    for each, hours in ((ends, 1), (later, 2), (open_end, None)):
        until = now + timedelta(hours=hours) if hours else None
        nodes.set_draining(actor=as_alice, node_id=each.pk, draining=True, until=until)
    assert nodes.end_rests(now=now) == 0
    assert nodes.end_rests(now=now + timedelta(hours=1)) == 1
    assert set(Node.objects.filter(draining=True)) == {later, open_end}
    entry = AuditEntry.objects.latest("pk")
    assert (entry.actor_name, entry.action, entry.object_name) == ("drover", "node.resumed", "gpu-a")
    assert entry.detail == {"because": "its time was over", "was_set_by": "alice"}


# The history of its health --------------------------------------------------------------------------------------------


def test_each_change_of_health_is_kept_with_its_reason(node: Node, as_alice: Actor, settings: Any) -> None:
    settings.DROVER_NODE_FAILURES = 1
    seen(node)
    seen(node, error="connection refused")
    seen(node, error="connection refused")
    seen(node)
    nodes.update(actor=as_alice, node_id=node.pk, enabled=False)
    nodes.update(actor=as_alice, node_id=node.pk, enabled=True)
    told = list(node.health_changes.order_by("pk").values_list("health", "reason"))
    assert told == [
        ("unhealthy", "connection refused"),
        ("healthy", ""),
        ("unknown", "disabled by alice"),
        ("unknown", ""),
    ]


def test_the_most_models_that_were_seen_at_once_are_remembered(node: Node) -> None:
    seen(node, loaded=[loaded("a:latest"), loaded("b:latest")])
    assert seen(node, loaded=[loaded("a:latest")]).most_loaded == 2


# The monitor ----------------------------------------------------------------------------------------------------------


def test_the_first_answer_makes_a_node_healthy(make_node: Callable[..., Node]) -> None:
    node = seen(make_node(health=NodeHealth.UNKNOWN, models=()), installed=[installed()], loaded=[])
    assert (node.health, node.ollama_version, node.failures) == (NodeHealth.HEALTHY, "0.13.0", 0)
    assert node.seen_at == node.polled_at == node.health_changed_at
    row = NodeModel.objects.select_related("model").get()
    assert (row.model.name, row.model.capabilities, row.installed, row.loaded) == (
        "llama3.2:latest",
        ["completion"],
        True,
        False,
    )


def test_a_single_failed_look_is_forgiven_and_several_are_not(
    begin: Give, submitted_task: Task, node: Node, settings: Any
) -> None:
    settings.DROVER_NODE_FAILURES = 2
    begin(submitted_task)
    assert seen(node, error="Connection refused").health == NodeHealth.HEALTHY
    assert Task.objects.get().status == "running"
    node = seen(node, error="Connection refused")
    assert (node.health, node.health_reason) == (NodeHealth.UNHEALTHY, "Connection refused")
    assert Task.objects.get().status == "pending"


def test_a_good_look_in_between_starts_the_count_anew(node: Node, settings: Any) -> None:
    settings.DROVER_NODE_FAILURES = 2
    for error in ("away", "", "away"):
        node = seen(node, error=error)
    assert node.health == NodeHealth.HEALTHY


def test_a_node_never_seen_that_fails_is_unhealthy_at_once(make_node: Callable[..., Node]) -> None:
    assert seen(make_node(health=NodeHealth.UNKNOWN), error="no route").health == NodeHealth.UNHEALTHY


def test_a_node_comes_back(node: Node, settings: Any) -> None:
    settings.DROVER_NODE_FAILURES = 1
    seen(node, error="away")
    assert (seen(node).health, seen(node).health_reason) == (NodeHealth.HEALTHY, "")


def test_models_come_load_unload_and_go(node: Node) -> None:
    seen(node, installed=[installed()], loaded=[loaded()])
    row = NodeModel.objects.get()
    assert (row.loaded, row.vram_bytes, row.loaded_context) == (True, 3_000_000_000, 4096)
    seen(node, installed=[installed()], loaded=[])
    row.refresh_from_db()
    assert (row.loaded, row.vram_bytes, row.loaded_context) == (False, None, None)
    for _ in range(2):  # that nothing is left is believed when it is said twice
        seen(node, installed=[], loaded=[])
    assert not NodeModel.objects.exists()
    assert OllamaModel.objects.exists()


def test_a_model_deleted_while_loaded_is_shown_until_it_is_unloaded(node: Node) -> None:
    for _ in range(2):
        seen(node, installed=[], loaded=[loaded()])
    assert (NodeModel.objects.get().installed, NodeModel.objects.get().loaded) == (False, True)
    seen(node, installed=[], loaded=[])
    assert not NodeModel.objects.exists()


def test_what_could_not_be_read_does_not_replace_what_is_known(node: Node) -> None:
    seen(node, installed=[installed()], loaded=[loaded()])
    seen(node, installed=None, loaded=None)
    seen(node, error="away")
    assert NodeModel.objects.filter(installed=True, loaded=True).count() == 1


def test_names_are_brought_to_one_spelling(node: Node) -> None:
    seen(node, installed=[installed("Llama3.2")], loaded=[loaded("llama3.2:latest")])
    assert NodeModel.objects.get().loaded


def test_a_look_that_finds_nothing_new_announces_nothing(node: Node) -> None:
    before = seen(node, installed=[installed()], loaded=[loaded()]).version
    later = loaded(expires_at=datetime(2026, 1, 1, 2, tzinfo=UTC))
    assert seen(node, installed=[installed()], loaded=[later]).version == before
    assert NodeModel.objects.get().expires_at == later.expires_at


def test_two_nodes_with_different_weights_under_one_name_do_not_take_turns(make_node: Callable[..., Node]) -> None:
    one, two = make_node("gpu-a", models=()), make_node("gpu-b", models=())
    small, large = installed(digest="d1"), installed(digest="d2", size_bytes=9, quantization="F16")
    for node, model in ((one, small), (two, large)):
        seen(node, installed=[model], loaded=[])
    versions = [Node.objects.get(pk=node.pk).version for node in (one, two)]
    for _ in range(3):
        for node, model in ((one, small), (two, large)):
            seen(node, installed=[model], loaded=[])
    assert [Node.objects.get(pk=node.pk).version for node in (one, two)] == versions
    assert set(NodeModel.objects.values_list("digest", flat=True)) == {"d1", "d2"}


def test_a_server_that_learned_to_tell_capabilities_is_listened_to(node: Node) -> None:
    seen(node, installed=[installed(capabilities=())], loaded=[])
    seen(node, installed=[installed(capabilities=("completion", "vision"))], loaded=[])
    assert OllamaModel.objects.get().capabilities == ["completion", "vision"]


def test_a_node_that_went_in_between_is_not_recorded(node: Node) -> None:
    gone = node.pk
    node.delete()
    assert nodes.record_poll(node_id=gone, poll=nodes.Poll(at=timezone.now() + timedelta(seconds=1))) is None


def test_a_node_that_says_too_much_of_itself_is_still_recorded(node: Node) -> None:
    odd = installed(family="f" * 100, parameter_size="p" * 100, digest="d" * 100, context_length=10**12)
    nameless = installed(name="n" * 200)
    seen(node, ollama_version="v" * 100, installed=[odd, nameless], loaded=[loaded(context_length=-1)])
    row = node.node_models.get()
    assert (len(row.model.family), len(row.digest), row.loaded_context) == (60, 64, None)
    assert node.node_models.get().model.context_length is None
    assert Node.objects.get(pk=node.pk).ollama_version == "v" * 40

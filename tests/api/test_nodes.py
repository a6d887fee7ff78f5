"""Nodes over REST."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import AuditEntry, LoadPlan, Node
from orchestration.ollama.simulator import NodeSpec

from .conftest import ApiClient, refusal

GPU = {"name": "gpu-b", "base_url": "http://gpu-b.test:11434", "slots_per_model": 2, "labels": ["fast"]}


def test_a_node_comes_back_as_it_was_added(alice_api: ApiClient) -> None:
    response = alice_api.post("nodes", GPU)
    answer = response.json()
    assert response.status_code == 201, answer
    assert {name: answer[name] for name in GPU} == GPU
    assert (answer["status"], answer["models"]) == ("unknown", [])
    assert alice_api.get("nodes/gpu-b").json() == alice_api.get(f"nodes/{answer['id']}").json() == answer


def test_nodes_are_listed_with_their_models(carol_api: ApiClient, make_node: Callable[..., Node]) -> None:
    make_node("gpu-a", models=("llama3.2:latest", "codellama:7b"), loaded=("codellama:7b",))
    make_node("gpu-b")
    first = carol_api.get("nodes?limit=1").json()
    assert [(m["name"], m["loaded"]) for m in first["nodes"][0]["models"]] == [
        ("codellama:7b", True),
        ("llama3.2:latest", False),
    ]
    second = carol_api.get(f"nodes?limit=1&cursor={first['next_cursor']}").json()
    assert [node["name"] for node in second["nodes"]] == ["gpu-b"]


def test_a_node_says_what_it_is_about_to_load(carol_api: ApiClient, node: Node) -> None:
    assert carol_api.get("nodes/gpu-a").json()["plan"] is None
    fields = {"model_name": "qwen3:8b", "num_ctx": 8192, "victims": [["llama3.2:latest", 4096]], "token": "t"}
    at = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
    plan = LoadPlan.objects.create(
        node=node, planned_at=at, expected_seconds=18.5, reason="it has waited 61 s", **fields
    )
    told = {
        "model": "qwen3:8b",
        "context_length": 8192,
        "state": "making_room",
        "since": "2026-03-01T07:30:00.000Z",
        "expected_seconds": 18.5,
        "makes_room": ["llama3.2:latest"],
        "reason": "it has waited 61 s",
    }
    assert carol_api.get("nodes/gpu-a").json()["plan"] == told
    LoadPlan.objects.filter(pk=plan.pk).update(loading_since=at + timedelta(seconds=4))
    loading = carol_api.get("nodes").json()["nodes"][0]["plan"]
    assert (loading["state"], loading["since"]) == ("loading", "2026-03-01T07:30:04.000Z")


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]:11434",
        "http://metadata.google.internal",
        "file:///etc/passwd",
        "gopher://gpu-a:11434",
        "http://",
        "",
    ],
)
def test_an_address_that_drover_must_not_call_is_refused(alice_api: ApiClient, url: str) -> None:
    refusal(alice_api.post("nodes", {**GPU, "base_url": url}), 400, "invalid_node_address")
    assert not Node.objects.exists()


def test_an_address_is_checked_when_it_is_changed_too(alice_api: ApiClient, node: Node) -> None:
    refusal(alice_api.put("nodes/gpu-a", {"base_url": "http://169.254.169.254"}), 400, "invalid_node_address")
    node.refresh_from_db()
    assert node.base_url == "http://gpu-a.test:11434"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": "x"}, "base_url: is missing"),
        ({**GPU, "slots_per_model": 0}, "slots_per_model"),
        ({**GPU, "slot_per_model": 2}, "did you mean slots_per_model?"),
        ({**GPU, "verify_tls": "no"}, "verify_tls: must be true or false"),
        ({**GPU, "vram_bytes": 10**30}, "vram_bytes"),
        ({**GPU, "labels": [1]}, "labels[0]: must be a text"),
        ({**GPU, "name": "7"}, "digits"),
    ],
)
def test_a_wrong_node_is_refused(alice_api: ApiClient, fields: dict[str, Any], words: str) -> None:
    assert words in refusal(alice_api.post("nodes", fields), 400, "invalid_input")["message"]
    assert not Node.objects.exists()


def test_a_name_or_address_that_is_taken_is_409(alice_api: ApiClient) -> None:
    alice_api.post("nodes", GPU)
    refusal(alice_api.post("nodes", {**GPU, "base_url": "http://other.test:11434"}), 409, "conflict")
    refusal(alice_api.post("nodes", {**GPU, "name": "other"}), 409, "conflict")


def test_a_change_leaves_the_other_fields(alice_api: ApiClient, node: Node) -> None:
    answer = alice_api.put("nodes/gpu-a", {"slots_per_model": 8, "vram_bytes": 24_000_000_000}).json()
    assert (answer["slots_per_model"], answer["vram_bytes"], answer["base_url"]) == (
        8,
        24_000_000_000,
        "http://gpu-a.test:11434",
    )


def test_a_node_is_drained_and_resumed(alice_api: ApiClient, node: Node) -> None:
    assert alice_api.post("nodes/gpu-a/drain").json()["status"] == "draining"
    assert alice_api.post("nodes/gpu-a/resume").json()["status"] == "healthy"
    assert AuditEntry.objects.filter(action="node.drained", actor_name="alice").exists()


def test_a_circuit_is_closed_by_hand(alice_api: ApiClient, node: Node) -> None:
    later = timezone.now() + timedelta(minutes=5)
    Node.objects.update(faults=7, circuit_until=later, circuit_reason="HTTP 500")
    before = alice_api.get("nodes/gpu-a").json()
    assert before["circuit"] == "open"
    assert before["circuit_words"].endswith("after 7 failures in a row: HTTP 500")
    answer = alice_api.post("nodes/gpu-a/reset-circuit").json()
    assert (answer["circuit"], answer["circuit_words"], answer["faults"]) == ("closed", "", 0)


def test_a_node_is_removed(alice_api: ApiClient, node: Node) -> None:
    assert alice_api.delete("nodes/gpu-a").status_code == 204
    refusal(alice_api.get("nodes/gpu-a"), 404, "not_found")


CHANGES = [
    ("POST", "nodes", GPU),
    ("PUT", "nodes/gpu-a", {"enabled": False}),
    ("DELETE", "nodes/gpu-a", None),
    ("POST", "nodes/gpu-a/drain", None),
    ("POST", "nodes/gpu-a/resume", None),
    ("POST", "nodes/gpu-a/reset-circuit", None),
    ("POST", "nodes/gpu-a/test", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
@pytest.mark.parametrize("who", ["bob", "carol"])
def test_nodes_are_for_maintainers(
    request: pytest.FixtureRequest, node: Node, who: str, method: str, path: str, body: Any
) -> None:
    before = list(Node.objects.values())
    refusal(request.getfixturevalue(f"{who}_api").request(method, path, body), 403, "not_allowed")
    assert list(Node.objects.values()) == before


def test_a_node_that_answers_passes_the_test(
    alice_api: ApiClient, make_node: Callable[..., Node], make_simulator: Callable[..., Any]
) -> None:
    simulated = make_simulator([NodeSpec(speed=50)])
    make_node("sim", base_url=simulated.urls[0])
    answer = alice_api.post("nodes/sim/test").json()
    assert answer["ok"] is True, answer
    assert all(check["ok"] for check in answer["checks"])


def test_a_node_that_does_not_answer_fails_with_the_cause_and_the_fix(
    alice_api: ApiClient, make_node: Callable[..., Node]
) -> None:
    make_node("off", base_url="http://127.0.0.1:9")
    answer = alice_api.post("nodes/off/test").json()
    assert answer["ok"] is False
    failed = next(check for check in answer["checks"] if check["ok"] is False)
    assert failed["message"]
    assert failed["fix"]
    assert answer["checks"][-1]["ok"] is None


# Headers and credentials ----------------------------------------------------------------------------------------------

TOKEN = "tok-77aa88bb99cc"


def test_credentials_go_in_and_only_their_names_come_out(alice_api: ApiClient) -> None:
    sent = {**GPU, "credentials": {"type": "bearer", "token": TOKEN}, "headers": {"X-Team": "blue"}}
    answer = alice_api.post("nodes", sent)
    assert answer.status_code == 201
    assert (answer.json()["header_names"], answer.json()["has_credentials"]) == (["authorization", "x-team"], True)
    changed = alice_api.put(f"nodes/{answer.json()['id']}", {"credentials": None})
    assert changed.json()["header_names"] == ["x-team"]
    assert TOKEN not in answer.content.decode() + changed.content.decode()


@pytest.mark.parametrize(
    "fields",
    [
        {"credentials": {"type": "bearer", "token": f"{TOKEN} {TOKEN}"}},
        {"credentials": {"type": "bearer", "token": TOKEN, "user": "x"}},
        {"credentials": {"type": "bearer", "tokn": TOKEN}},
        {"credentials": {"type": "magic", "token": TOKEN}},
        {"credentials": TOKEN},
        {"headers": {"Host": TOKEN}},
        {"headers": {"X-A": f"{TOKEN}\n"}, "base_url": "http://x y"},
        {"headers": {"X-A": f"{TOKEN}\0"}},
        {"headers": {"X-A": TOKEN * 1000}},
        {"headers": [TOKEN]},
        {"headers": {f"x-{n}": TOKEN for n in range(21)}},
    ],
)
def test_a_refusal_does_not_repeat_a_secret(alice_api: ApiClient, fields: dict[str, Any]) -> None:
    answer = alice_api.post("nodes", {**GPU, **fields})
    assert answer.status_code == 400, answer.content
    assert TOKEN not in answer.content.decode()
    assert not Node.objects.exists()


# Rests, reports, search -----------------------------------------------------------------------------------------------


def test_a_rest_has_a_note_and_an_end(alice_api: ApiClient, node: Node) -> None:
    until = (timezone.now() + timedelta(hours=1)).isoformat()
    answer = alice_api.post("nodes/gpu-a/drain", {"note": "new card", "until": until}).json()
    assert (answer["drain_note"], answer["drained_by"], answer["status"]) == ("new card", "alice", "draining")
    assert answer["drain_until"][:16] == (timezone.now() + timedelta(hours=1)).isoformat()[:16]
    assert alice_api.post("nodes/gpu-a/resume").json()["drain_until"] is None


@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "2100-01-01T00:00:00", "soon"])
def test_a_rest_ends_in_the_future_and_with_a_time_zone(alice_api: ApiClient, node: Node, until: str) -> None:
    refusal(alice_api.post("nodes/gpu-a/drain", {"until": until}), 400, "invalid_input")
    node.refresh_from_db()
    assert not node.draining


def test_everybody_reads_a_nodes_report(carol_api: ApiClient, node: Node) -> None:
    answer = carol_api.get("nodes/gpu-a/report?hours=1")
    assert answer.status_code == 200
    assert answer.json()["timeline"]["spans"][0]["health"] == "unknown"
    assert {hint["kind"] for hint in answer.json()["hints"]} == {"memory", "disk"}
    refusal(carol_api.get("nodes/gpu-a/report?hours=9000"), 400, "invalid_input")


def test_versions_are_compared(carol_api: ApiClient, make_node: Any) -> None:
    make_node("a", ollama_version="0.30.2")
    make_node("b", ollama_version="0.9.0")
    answer = carol_api.get("versions").json()
    assert (answer["oldest"], answer["newest"], answer["behind"][0]["node"]) == ("0.9.0", "0.30.2", "b")


def test_a_search_finds_servers_and_says_which_are_nodes(
    alice_api: ApiClient, make_simulator: Any, make_node: Any
) -> None:
    herd = make_simulator([NodeSpec(models=("llama3.2:latest",)), NodeSpec()])
    one, other = herd.nodes
    make_node("mine", base_url=one.url)
    ports = [int(handle.url.rpartition(":")[2]) for handle in (one, other)]
    answer = alice_api.post("nodes/discover", {"subnets": ["127.0.0.1"], "ports": ports}).json()
    assert [(server["base_url"], server["node"]) for server in answer["servers"]] == [
        (one.url, "mine"),
        (other.url, None),
    ]
    assert (answer["asked"], answer["complete"]) == (2, True)
    assert Node.objects.count() == 1


@pytest.mark.parametrize("subnets", [["8.8.8.0/24"], [], ["10.0.0.0/8"], ["nonsense"]])
def test_a_search_in_other_networks_is_refused(alice_api: ApiClient, subnets: list[str]) -> None:
    refusal(alice_api.post("nodes/discover", {"subnets": subnets}), 400, "invalid_input")


def test_a_server_is_examined_before_it_is_added(alice_api: ApiClient, make_simulator: Any) -> None:
    herd = make_simulator([NodeSpec(speed=50, models=("llama3.2:latest",))])
    body = {"base_url": herd.nodes[0].url, "credentials": {"type": "bearer", "token": TOKEN}}
    answer = alice_api.post("nodes/probe", body).json()
    assert answer["ok"]
    assert len(answer["checks"]) == 6
    assert not Node.objects.exists()


@pytest.mark.parametrize(
    ("path", "body"), [("nodes/probe", {"base_url": "10.0.0.1"}), ("nodes/discover", {"subnets": ["127.0.0.1"]})]
)
def test_examining_and_searching_are_for_maintainers(bob_api: ApiClient, path: str, body: dict[str, Any]) -> None:
    refusal(bob_api.post(path, body), 403, "not_allowed")

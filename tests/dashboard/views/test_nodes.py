"""Nodes: only maintainers change them; the doctor examines real servers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.models import AuditEntry, HealthChange, LoadPlan, Node
from orchestration.ollama.simulator import NodeSpec
from tests.api.conftest import start

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

FORM = {
    "base_url": "http://127.0.0.1:11434",
    "name": "gpu-z",
    "slots_per_model": 2,
    "verify_tls": "on",
    "enabled": "on",
}
TICKS = {"Accept": "text/x-ticks"}


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_sees_nodes_with_their_models(name, request, as_user, make_node):
    node = make_node(models=("llama3.2:latest", "llava:7b"), loaded=("llava:7b",), vram_bytes=24 * 2**30)
    browser = as_user(request.getfixturevalue(name))
    text = browser.get("/nodes").text
    assert "llava:7b" in text
    assert "/ 24 GB" in text
    assert browser.get(f"/nodes/{node.pk}").status_code == 200
    assert ("This needs the role maintainer" in text) == (name != "alice")


@pytest.mark.parametrize("address", ["/", "/nodes"])
def test_a_model_in_main_memory_is_not_said_to_take_nothing(as_user, bob, make_node, address):
    make_node(models=("llava:7b",), loaded=("llava:7b",)).node_models.update(vram_bytes=0, loaded_bytes=5 * 2**30)
    text = as_user(bob).get(address).text
    assert text.count("5.0 GB RAM") == 3
    assert "0 MB" not in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"health": "unhealthy", "health_reason": "connection refused"}, "connection refused"),
        ({"draining": True}, "takes nothing new"),
        ({"enabled": False}, "gets no work"),
        ({"health": "unknown"}, "Not seen yet"),
    ],
)
def test_its_health_is_said_in_words(as_user, bob, make_node, fields, words):
    make_node(**fields)
    assert words in as_user(bob).get("/nodes").text


def test_a_load_is_told_with_its_seconds_and_its_reason(as_user, bob, make_node):
    node = make_node(models=("llama3.2:latest", "llava:7b"), loaded=("llava:7b",))
    began = timezone.now() - timedelta(seconds=12)
    plan = LoadPlan.objects.create(
        node=node,
        model_name="llama3.2:latest",
        num_ctx=4096,
        victims=[["llava:7b", 4096]],
        reason="in place of llava:7b, idle",
        planned_at=began,
        loading_since=began,
        expected_seconds=18.2,
        token="t",
    )
    text = as_user(bob).get("/nodes").text
    assert "Loading llama3.2:latest:" in text
    assert ">12 s</time> of about 18 s." in text
    assert "in place of llava:7b, idle" in text
    overview = as_user(bob).get("/").text
    assert "loading llama3.2:latest" in overview
    assert "of about 18 s" in overview
    plan.loading_since = None
    plan.save()
    text = as_user(bob).get("/nodes").text
    assert "Making room for llama3.2:latest" in text
    assert "llava:7b finishes what runs and gets nothing new." in text
    assert "makes room" in text
    assert "makes room for llama3.2:latest" in as_user(bob).get("/").text


def test_a_circuit_that_is_not_closed_is_said_and_closed_by_hand(as_user, alice, make_node):
    node = make_node(faults=5, circuit_until=timezone.now() + timedelta(minutes=1), circuit_reason="HTTP 500")
    browser = as_user(alice)
    text = browser.get("/nodes").text
    assert "Circuit open until" in text
    assert "after 5 failures in a row: HTTP 500" in text
    assert "gets work again" in browser.post(f"/nodes/{node.pk}/reset-circuit", follow=True).text
    assert Node.objects.get().circuit_until is None
    assert "Circuit open" not in browser.get("/nodes").text


def test_failures_that_do_not_open_a_circuit_yet_are_told(as_user, carol, make_node):
    make_node(faults=2)
    assert "2 attempts in a row failed by its fault" in as_user(carol).get("/nodes").text


def test_an_operator_cannot_close_a_circuit(as_user, bob, make_node):
    node = make_node(faults=5, circuit_until=timezone.now())
    as_user(bob).post(f"/nodes/{node.pk}/reset-circuit")
    assert Node.objects.get().faults == 5


def test_no_node_yet_says_what_a_node_is(as_user, alice):
    assert "A node is one Ollama server" in as_user(alice).get("/nodes").text


def test_a_maintainer_adds_one(as_user, alice):
    sent = {**FORM, "vram_gb": "24", "labels": "fast, eu"}
    assert as_user(alice).post("/nodes/new", sent)["Location"] == "/nodes"
    node = Node.objects.get()
    assert (node.vram_bytes, node.labels, node.slots_per_model) == (24 * 2**30, ["fast", "eu"], 2)
    assert AuditEntry.objects.get(action="node.created").actor_name == "alice"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"base_url": ""}, "This field is required."),
        ({"base_url": "ftp://gpu"}, "http"),
        ({"base_url": "http://169.254.169.254"}, "169.254.169.254"),
        ({"name": "gpu-a"}, "already exists"),
        ({"slots_per_model": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_said_and_kept(as_user, alice, node, fields, words):
    answer = as_user(alice).post("/nodes/new", {**FORM, "labels": "KEEP ME", **fields})
    assert answer.status_code == 422
    assert words in answer.text
    assert "KEEP ME" in answer.text


def test_a_maintainer_changes_drains_resumes_and_removes_one(as_user, alice, node):
    browser = as_user(alice)
    browser.post(f"/nodes/{node.pk}/edit", {**FORM, "base_url": node.base_url, "name": "renamed"})
    browser.post(f"/nodes/{node.pk}/drain", {"draining": "1"})
    node.refresh_from_db()
    assert (node.name, node.draining) == ("renamed", True)
    browser.post(f"/nodes/{node.pk}/drain", {"draining": "0"})
    assert not Node.objects.get().draining
    browser.post(f"/nodes/{node.pk}/delete")
    assert not Node.objects.exists()


@pytest.mark.parametrize("name", ["bob", "carol", "dave"])
@pytest.mark.parametrize("action", ["/edit", "/drain", "/delete", "/check"])
def test_others_change_nothing(name, action, request, as_user, node):
    sent = {**FORM, "name": "stolen", "draining": "1"}
    answer = as_user(request.getfixturevalue(name)).post(
        f"/nodes/{node.pk}{action}", sent, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 403
    unchanged = Node.objects.get()
    assert (unchanged.name, unchanged.draining) == ("gpu-a", False)


def test_others_cannot_make_drover_call_an_address(as_user, bob):
    answer = as_user(bob).post(
        "/nodes/probe", {"base_url": "http://127.0.0.1:1"}, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 403


def test_a_check_without_a_script_is_a_page(as_user, alice, make_node):
    node = make_node(base_url="http://127.0.0.1:1")
    text = as_user(alice).post(f"/nodes/{node.pk}/check").text
    assert "port 1 refuses" in text
    assert "OLLAMA_HOST=0.0.0.0" in text
    assert text.count("not tried") >= 4


@pytest.mark.django_db(transaction=True)
async def test_six_ticks_come_one_by_one(async_client, alice, make_simulator):
    herd = make_simulator([NodeSpec(models=("llama3.2:latest",), speed=20)])
    await async_client.aforce_login(alice)
    sent = {"base_url": herd.urls[0], "verify_tls": "on"}
    answer = await async_client.post("/nodes/probe", sent, headers=TICKS)
    lines = [line.decode() async for line in answer.streaming_content]
    assert len(lines) == 6
    assert all('data-state="completed"' in line and line.count("\n") == 1 for line in lines)


@pytest.mark.django_db(transaction=True)
async def test_a_bad_address_is_one_tick_that_says_so(async_client, alice):
    await async_client.aforce_login(alice)
    answer = await async_client.post("/nodes/probe", {"base_url": "ftp://gpu-a"}, headers=TICKS)
    lines = [line.decode() async for line in answer.streaming_content]
    assert len(lines) == 1
    assert 'data-state="failed"' in lines[0]


def test_the_list_costs_the_same_however_long(as_user, bob, make_node, django_assert_num_queries):
    for number in range(8):
        make_node(f"gpu-{number}", models=("llama3.2:latest", f"own-{number}:latest"))
    browser = as_user(bob)
    session_and_user, frame, nodes_models_and_pauses = 2, 3, 3
    with django_assert_num_queries(session_and_user + frame + nodes_models_and_pauses):
        browser.get("/nodes")


# The page of one node -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_sees_a_nodes_page(name, request, as_user, make_node):
    node = make_node(loaded=("llama3.2:latest",), ollama_version="0.12.6", header_names=["authorization"])
    make_node("gpu-b", ollama_version="0.30.2")
    HealthChange.objects.create(node=node, at=timezone.now() - timedelta(hours=2), health="unhealthy", reason="refused")
    text = as_user(request.getfixturevalue(name)).get(f"/nodes/{node.pk}?range=7d").text
    for words in (
        "Reachability",
        "What could be better",
        "In flight",
        "Last failures",
        "Maintenance",
        "older than others",
    ):
        assert words in text
    assert "authorization" in text
    assert "reachable 0 % of the known time" in text.lower().replace("0.00", "0")


def test_a_spill_is_marked_in_the_list_and_on_the_page(as_user, bob, make_node):
    node = make_node(loaded=("llama3.2:latest",), vram_bytes=24 * 2**30)
    node.node_models.update(loaded_bytes=4 * 2**30, vram_bytes=3 * 2**30)
    browser = as_user(bob)
    assert "25 % CPU" in browser.get("/nodes").text
    text = browser.get(f"/nodes/{node.pk}").text
    assert "25 % CPU" in text
    assert "25 % of llama3.2:latest runs on the processor" in text


def test_versions_that_differ_are_told_over_the_list(as_user, bob, make_node):
    make_node("gpu-a", ollama_version="0.9.0")
    browser = as_user(bob)
    assert "Versions differ" not in browser.get("/nodes").text
    make_node("gpu-b", ollama_version="0.30.2")
    text = browser.get("/nodes").text
    assert "Versions differ: 0.9.0 to 0.30.2" in text
    assert "lacks ids of tool calls" in text


def test_what_runs_can_be_cancelled_by_whom_it_belongs_to(as_user, bob, carol, submit, node):
    task = submit("a poem").tasks.get()
    start(task, node)
    button = f'aria-label="Cancel task {task.pk}"'
    mine = as_user(bob).get(f"/nodes/{node.pk}").text
    assert f"{button}>" in mine
    others = as_user(carol).get(f"/nodes/{node.pk}").text
    assert f"{button} disabled" in others


def test_a_rest_is_given_from_the_page_with_a_note_and_an_end(as_user, alice, bob, node):
    browser = as_user(alice)
    browser.post(f"/nodes/{node.pk}/drain", {"draining": "1", "note": "new card", "hours": "2"})
    node.refresh_from_db()
    left = node.drain_until - timezone.now()
    assert timedelta(hours=1, minutes=59) < left <= timedelta(hours=2)
    assert "alice gave it a rest: new card" in browser.get(f"/nodes/{node.pk}").text
    assert "Draining by alice" in as_user(bob).get("/nodes").text


@pytest.mark.parametrize("sent", [{"hours": "9999"}, {"note": "x" * 201}])
def test_a_rest_of_another_kind_is_refused(as_user, alice, node, sent):
    answer = as_user(alice).post(
        f"/nodes/{node.pk}/drain", {"draining": "1", **sent}, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 400
    assert not Node.objects.get().draining


def test_of_a_node_that_does_not_answer_the_last_known_models_are_shown_with_their_age(as_user, bob, make_node):
    seen = timezone.now() - timedelta(hours=3)
    node = make_node(health="unhealthy", health_reason="refused", seen_at=seen)
    for address in ("/nodes", f"/nodes/{node.pk}"):
        text = as_user(bob).get(address).text
        assert "As it was seen" in text
        assert "llama3.2:latest" in text


def test_a_node_that_is_gone_has_no_page(as_user, bob):
    assert as_user(bob).get("/nodes/99").status_code == 404


# Searching ------------------------------------------------------------------------------------------------------------


def test_a_search_offers_to_add_what_it_found(as_user, alice, make_simulator, make_node):
    herd = make_simulator([NodeSpec(), NodeSpec()])
    make_node("mine", base_url=herd.urls[0])
    ports = ",".join(url.rpartition(":")[2] for url in herd.urls)
    text = as_user(alice).post("/nodes/discover", {"subnets": "127.0.0.1", "ports": ports}).text
    assert "2 servers found" in text
    assert "is mine" in text
    assert f'aria-label="Add {herd.urls[1]}"' in text
    assert herd.urls[1] in as_user(alice).get("/nodes/new", {"base_url": herd.urls[1]}).text


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"subnets": "8.8.8.0/24", "ports": "11434"}, "private networks only"),
        ({"subnets": "10.0.0.1", "ports": "many"}, "Ports are numbers"),
        ({"subnets": "", "ports": "11434"}, "This field is required."),
    ],
)
def test_a_search_that_is_refused_says_why(as_user, alice, sent, words):
    answer = as_user(alice).post("/nodes/discover", sent)
    assert answer.status_code == 422
    assert words in answer.text


def test_others_do_not_search(as_user, bob):
    browser = as_user(bob)
    assert "This needs the role maintainer" in browser.get("/nodes/discover").text
    sent = {"subnets": "127.0.0.1", "ports": "1"}
    answer = browser.post("/nodes/discover", sent, headers={"Accept": "application/json"})
    assert answer.status_code == 403

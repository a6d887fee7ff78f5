"""Which servers a start connects."""

import socket

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings

from orchestration.errors import InvalidNodeAddress
from orchestration.management import fleet, ports
from orchestration.models import AuditEntry, Node
from orchestration.ollama.simulator import NodeSpec
from orchestration.policy.states import NodeHealth
from orchestration.services import secrets
from tests.ollama.rawserver import RawServer


@pytest.fixture
def hosts(monkeypatch):
    return lambda *names: monkeypatch.setattr(settings, "DROVER_OLLAMA_HOSTS", list(names))


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:11435", "http://127.0.0.1:11435"),
        (":11435", "http://127.0.0.1:11435"),
        ("gpu-a", "http://gpu-a:11434"),
        ("https://ollama.example.org/", "https://ollama.example.org"),
    ],
)
def test_what_servers_are_told_to_listen_on_becomes_where_they_are_called(hosts, given, url):
    hosts(given)
    assert fleet.configured() == [url]


def test_two_spellings_of_one_server_are_one_node(hosts):
    hosts("0.0.0.0", "127.0.0.1:11434", "http://127.0.0.1:11434/")
    assert fleet.configured() == ["http://127.0.0.1:11434"]


def test_an_address_that_may_not_be_called_is_refused(hosts):
    hosts("169.254.169.254")
    with pytest.raises(InvalidNodeAddress, match="metadata"):
        fleet.configured()


async def test_a_look_tells_version_and_models(make_simulator):
    herd = make_simulator([NodeSpec(name="one", models=("llama3.2:latest", "llama2:latest"), version="0.33.0")])
    look = await fleet.look_at(herd.urls[0], seconds=20)
    assert (look.version, len(look.installed), len(look.loaded), look.error) == ("0.33.0", 2, 0, "")
    assert look.words == f"{herd.urls[0]}  0.33.0 · 2 models · 0 loaded"


@pytest.mark.django_db
def test_what_was_seen_is_known_before_the_first_task_comes(make_simulator):
    urls = make_simulator([NodeSpec(models=("llama2:latest",))]).urls
    fleet.connect(urls)
    fleet.record(async_to_sync(fleet.look_until_seen)(urls, within=20))
    node = Node.objects.get()
    assert node.health == NodeHealth.HEALTHY
    assert [row.model.name for row in node.node_models.all()] == ["llama2:latest"]


@pytest.mark.django_db
def test_a_server_that_was_not_seen_is_left_unknown():
    url = f"http://127.0.0.1:{ports.free('127.0.0.1')}"
    fleet.connect([url])
    fleet.record(async_to_sync(fleet.look_until_seen)([url], within=0.1))
    assert Node.objects.get().health == NodeHealth.UNKNOWN


async def test_a_look_at_nobody_says_so():
    url = f"http://127.0.0.1:{ports.free('127.0.0.1')}"
    look = await fleet.look_at(url, seconds=20)
    assert look.error
    assert look.words.startswith(f"{url} does not answer: ")


async def test_a_server_that_accepts_and_says_nothing_costs_a_bounded_time():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        look = await fleet.look_at(f"http://127.0.0.1:{mute.getsockname()[1]}", seconds=0.2)
    assert look.error == "nothing came within 0.2 s"


@pytest.mark.django_db
class TestConnect:
    def test_servers_become_nodes_named_after_their_hosts(self):
        fleet.connect(["http://127.0.0.1:11434", "http://127.0.0.1:11435", "http://gpu-a:11434"])
        assert dict(Node.objects.values_list("name", "base_url")) == {
            "local": "http://127.0.0.1:11434",
            "local-11435": "http://127.0.0.1:11435",
            "gpu-a": "http://gpu-a:11434",
        }

    def test_it_is_written_down_who_connected_them(self):
        fleet.connect(["http://gpu-a:11434"])
        assert AuditEntry.objects.filter(action="node.created").count() == 1

    def test_the_second_start_leaves_nodes_as_people_changed_them(self):
        (node,) = fleet.connect(["http://gpu-a:11434"])
        Node.objects.filter(pk=node.pk).update(name="the big one", slots_per_model=9)
        assert fleet.connect(["http://gpu-a:11434"]) == []
        assert Node.objects.get().name == "the big one"

    def test_nodes_that_are_switched_off_do_not_count_as_connected(self):
        (node,) = fleet.connect(["http://gpu-a:11434"])
        assert fleet.real_urls() == ["http://gpu-a:11434"]
        Node.objects.filter(pk=node.pk).update(enabled=False)
        assert fleet.real_urls() == []


@pytest.mark.django_db
class TestDemo:
    def test_three_simulated_nodes_are_connected(self):
        fleet.connect_simulated(30_000)
        assert list(Node.objects.values_list("name", "base_url", "simulated")) == [
            ("gpu-a", "http://127.0.0.1:30000", True),
            ("gpu-b", "http://127.0.0.1:30001", True),
            ("mac-mini", "http://127.0.0.1:30002", True),
        ]
        assert fleet.real_urls() == []

    def test_another_start_moves_them_to_its_ports(self):
        before = [node.pk for node in fleet.connect_simulated(30_000)]
        after = [node.pk for node in fleet.connect_simulated(30_010)]
        assert before == after
        assert Node.objects.get(name="gpu-b").base_url == "http://127.0.0.1:30011"

    def test_they_do_not_take_the_name_of_a_real_node(self, make_node):
        make_node("gpu-a")
        fleet.connect_simulated(30_000)
        fleet.connect_simulated(30_010)
        assert Node.objects.get(name="demo-gpu-a").base_url == "http://127.0.0.1:30010"
        assert Node.objects.get(name="gpu-a").simulated is False

    def test_they_go_when_real_ones_come(self, make_node):
        make_node("real")
        fleet.connect_simulated(30_000)
        assert fleet.forget_simulated() == 3
        assert Node.objects.get().name == "real"

    def test_ports_that_are_taken_are_left_alone(self):
        first = fleet.demo_port()
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", first + 1))
            assert fleet.demo_port() > first


@pytest.mark.django_db
async def test_a_server_behind_a_proxy_is_looked_at_with_the_headers_of_its_node():
    async def play(peer):
        if peer.request.headers.get("authorization") != "Bearer tok-123456":
            await peer.answer({"error": "who are you?"}, 401)
        elif peer.request.path.endswith("version"):
            await peer.answer({"version": "0.30.0"})
        else:
            await peer.answer({"models": []})

    async with RawServer(play) as server:
        assert "who are you?" in (await fleet.look_at(server.url, seconds=20)).error
        known = Node(base_url=server.url, sealed_headers=secrets.seal({"authorization": "Bearer tok-123456"}))
        assert (await fleet.look_at(server.url, seconds=20, known=known)).version == "0.30.0"

"""The page of export and import: a look first, then the import of what was looked at."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from orchestration.models import Agent, Node, User
from orchestration.services import agents, nodes
from orchestration.services.users import actor_of

PAGE = "/settings/transfer"


@pytest.fixture
def client(alice: User, redis_server: object) -> Client:
    agents.create(actor=actor_of(alice, via="test"), name="writer", description="old <b>words</b>")
    client = Client()
    client.force_login(alice)
    return client


def hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found
    return found[1]


def test_what_changes_is_shown_and_nothing_is_changed_yet(client: Client) -> None:
    text = "drover_config: 1\nagents:\n  - name: writer\n    description: new\n  - name: other\n"
    response = client.post(PAGE, {"text": text.replace("\n", "\r\n"), "mode": "merge"})
    shown = response.content.decode()
    assert response.status_code == 200
    assert "1 added, 1 changed" in shown
    assert "old &lt;b&gt;words&lt;/b&gt;" in shown
    assert Agent.objects.count() == 1
    given = {"text": text, "mode": "merge", "import": "1", "based_on": hidden(shown, "based_on")}
    done = client.post(PAGE, given, follow=True)
    assert "Imported: 1 added, 1 changed." in done.content.decode()
    assert Agent.objects.get(name="writer").description == "new"


def test_a_file_can_be_given_as_well(client: Client) -> None:
    file = SimpleUploadedFile("drover.json", b'{"drover_config": 1, "agents": [{"name": "x"}]}')
    assert "1 added" in client.post(PAGE, {"file": file, "text": ""}).content.decode()
    file = SimpleUploadedFile("drover.json", b"\xff")
    assert "not UTF-8" in client.post(PAGE, {"file": file}, follow=True).content.decode()


def test_every_problem_is_shown_and_the_text_is_kept(client: Client) -> None:
    text = "drover_config: 1\nagents:\n  - name: writer\n    timeout_seconds: 0\n    modles: []\n"
    response = client.post(PAGE, {"text": text})
    shown = response.content.decode()
    assert response.status_code == 422
    assert "2 problems" in shown
    assert "agents[0].modles" in shown
    assert "agents[0].timeout_seconds" in shown
    assert "modles: []" in shown
    assert "Line 1" in client.post(PAGE, {"text": "a: ["}).content.decode()


def test_what_changed_meanwhile_is_not_overwritten(client: Client, alice: User) -> None:
    text = '{"drover_config": 1, "agents": [{"name": "x"}]}'
    token = hidden(client.post(PAGE, {"text": text}).content.decode(), "based_on")
    agents.create(actor=actor_of(alice, via="test"), name="meanwhile")
    response = client.post(PAGE, {"text": text, "import": "1", "based_on": token})
    assert (response.status_code, Agent.objects.filter(name="x").exists()) == (422, False)
    assert "has changed meanwhile" in response.content.decode()


@pytest.mark.parametrize(("form", "start"), [("yaml", b"drover_config: 1\n"), ("json", b'{\n  "drover_config": 1')])
def test_the_chosen_sections_come_as_a_file(form: str, start: bytes, client: Client) -> None:
    response = client.get(f"{PAGE}/export?format={form}&sections=agents")
    assert response.content.startswith(start)
    assert b"writer" in response.content
    assert b"nodes" not in response.content
    assert response["Content-Disposition"] == f'attachment; filename="drover-config.{form}"'


def test_credentials_are_exported_sealed_and_restored(client: Client, alice: User) -> None:
    actor = actor_of(alice, via="test")
    nodes.create(actor=actor, name="gpu-a", base_url="http://gpu-a.test", headers={"X-Team": "herd-secret"})
    document = client.post(f"{PAGE}/export", {"passphrase": "correct horse"}).content.decode()
    assert "herd-secret" not in document
    nodes.update(actor=actor, node_id=Node.objects.get().pk, headers={})
    given = {"text": document, "passphrase": "correct horse"}
    shown = client.post(PAGE, given).content.decode()
    assert "Credentials are restored for gpu-a" in shown
    assert "correct horse" not in shown
    client.post(PAGE, {**given, "import": "1", "based_on": hidden(shown, "based_on")})
    assert Node.objects.get().header_names == ["x-team"]


def test_a_reset_is_looked_at_first(client: Client) -> None:
    shown = client.post(f"{PAGE}/reset", {"sections": "agents"}).content.decode()
    assert "1 removed" in shown
    assert Agent.objects.filter(name="writer").exists()
    given = {"sections": "agents", "reset": "1", "based_on": hidden(shown, "based_on")}
    assert "Reset: " in client.post(f"{PAGE}/reset", given, follow=True).content.decode()
    assert not Agent.objects.filter(name="writer").exists()
    assert "Choose what is to be reset" in client.post(f"{PAGE}/reset", {}, follow=True).content.decode()


def test_what_one_may_not_do_says_why(carol: User, bob: User, redis_server: object) -> None:
    client = Client()
    client.force_login(carol)
    shown = client.get(PAGE).content.decode()
    assert "This needs the role maintainer; carol is viewer." in shown
    assert "This needs the role admin; carol is viewer." in shown
    client.force_login(bob)
    client.post(PAGE, {"text": '{"drover_config": 1, "agents": [{"name": "x"}]}', "import": "1"})
    client.post(f"{PAGE}/reset", {"sections": "agents", "reset": "1"})
    client.post(f"{PAGE}/export", {"passphrase": "long enough"})
    assert not Agent.objects.filter(name="x").exists()

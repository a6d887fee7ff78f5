"""Conversations over REST: made, read, changed by those who may, exported."""

import pytest

from orchestration.models import Conversation, Document, Turn

from .conftest import refusal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def talk(bob_api, agent, node):
    return bob_api.post("conversations", {"agent_id": "writer", "title": "Trip"}).json()


def test_one_is_made_read_renamed_and_deleted(bob_api, talk, make_agent):
    assert (talk["title"], talk["agent"], talk["owner"], talk["turns"]) == ("Trip", "writer", "bob", [])
    assert talk["window"]["words"].startswith("No earlier turn yet")
    path = f"conversations/{talk['id']}"
    assert bob_api.get(path).json() == talk
    make_agent("poet")
    changed = bob_api.put(path, {"title": "Holiday", "agent_id": "poet"}).json()
    assert (changed["title"], changed["agent"]) == ("Holiday", "poet")
    assert bob_api.put(path, {}).json()["title"] == "Holiday"
    assert bob_api.delete(path).status_code == 204
    refusal(bob_api.get(path), 404)


def test_the_agent_default_answers_where_none_is_named(bob_api, make_agent):
    make_agent("default")
    assert bob_api.post("conversations", {}).json()["agent"] == "default"


def test_everybody_who_may_look_reads_it_and_only_some_change_it(
    talk, alice_api, bob_api, carol_api, dave_api, anybody
):
    path = f"conversations/{talk['id']}"
    refusal(anybody.get(path), 401)
    for api in (carol_api, dave_api):
        assert api.get(path).status_code == 200
        assert len(api.get("conversations").json()["conversations"]) == 1
        refusal(api.put(path, {"title": "Mine"}), 403)
        refusal(api.put(f"{path}/head", {"turn_id": 1}), 403)
        refusal(api.put(f"{path}/documents/1", {}), 403)
        refusal(api.delete(path), 403)
    refusal(carol_api.post("conversations", {"agent_id": "writer"}), 403)
    assert alice_api.put(path, {"title": "Ours"}).json()["title"] == "Ours"


def test_the_list_has_filters_and_pages(talk, bob_api, alice_api):
    alice_api.post("conversations", {"agent_id": "writer", "title": "Hers"})
    first = bob_api.get("conversations?limit=1").json()
    assert [row["title"] for row in first["conversations"]] == ["Hers"]
    second = bob_api.get(f"conversations?limit=1&cursor={first['next_cursor']}").json()
    assert [row["title"] for row in second["conversations"]] == ["Trip"]
    assert second["next_cursor"] is None
    assert [row["title"] for row in bob_api.get("conversations?owner=alice").json()["conversations"]] == ["Hers"]
    assert [row["title"] for row in bob_api.get("conversations?text=tri").json()["conversations"]] == ["Trip"]
    refusal(bob_api.get("conversations?cursor=x"), 400)


def test_documents_come_and_go(talk, bob_api):
    paper = Document.objects.create(name="a.txt", media_type="text/plain", size_bytes=1, sha256="a", text="text")
    path = f"conversations/{talk['id']}/documents/{paper.pk}"
    assert bob_api.put(path, {}).json()["documents"] == [{"id": paper.pk, "name": "a.txt"}]
    assert bob_api.delete(path).json()["documents"] == []
    refusal(bob_api.delete(path), 404)


def test_another_branch_is_shown(talk, bob_api):
    row = Conversation.objects.get()
    turns = [Turn.objects.create(conversation=row, text=text) for text in ("One.", "Uno.")]
    shown = bob_api.put(f"conversations/{row.pk}/head", {"turn_id": turns[1].pk}).json()
    assert [turn["text"] for turn in shown["turns"]] == ["Uno."]
    refusal(bob_api.put(f"conversations/{row.pk}/head", {"turn_id": 999}), 404)


@pytest.mark.parametrize(
    ("query", "kind", "name"),
    [
        ("", "text/markdown; charset=utf-8", "md"),
        ("?format=markdown", "text/markdown; charset=utf-8", "md"),
        ("?format=json", "application/json", "json"),
    ],
)
def test_it_is_taken_away_as_markdown_or_json(talk, carol_api, query, kind, name):
    answer = carol_api.get(f"conversations/{talk['id']}/export{query}")
    assert answer["Content-Type"] == kind
    assert f"conversation-{talk['id']}.{name}" in answer["Content-Disposition"]
    assert b"Trip" in answer.content
    refusal(carol_api.get(f"conversations/{talk['id']}/export?format=pdf"), 400)


@pytest.mark.parametrize("body", [{"agent": "writer"}, {"agent_id": []}, {"title": 7}, {"document_ids": ["a"]}])
def test_a_body_that_makes_no_sense_is_refused(bob_api, agent, body):
    refusal(bob_api.post("conversations", body), 400)

"""What agents remember, over REST, for each role."""

import pytest

from .conftest import refusal

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]
PATH = "agents/keeper/memories"


@pytest.fixture
def keeper(make_agent, bob):
    return make_agent("keeper", memory_enabled=True, owner=bob)


def test_a_fact_is_pinned_read_worded_anew_and_forgotten(keeper, bob_api):
    made = bob_api.post(PATH, {"text": "The team is in Graz."})
    assert made.status_code == 201
    fact = made.json()
    assert (fact["text"], fact["source"], fact["author"]) == ("The team is in Graz.", "person", "bob")
    assert bob_api.get(PATH).json() == {"memories": [fact], "next_cursor": None}
    path = f"{PATH}/{fact['id']}"
    assert bob_api.get(path).json() == fact
    assert bob_api.put(path, {"text": "The team is in Linz."}).json()["text"] == "The team is in Linz."
    assert bob_api.delete(path).status_code == 204
    refusal(bob_api.get(path), 404)


def test_who_may_what(keeper, alice_api, bob_api, carol_api, dave_api, anybody):
    refusal(anybody.get(PATH), 401)
    refusal(carol_api.post(PATH, {"text": "No."}), 403)
    path = f"{PATH}/{bob_api.post(PATH, {'text': 'One.'}).json()['id']}"
    assert carol_api.get(path).status_code == 200
    for api in (carol_api, dave_api):
        refusal(api.put(path, {"text": "Mine."}), 403)
        refusal(api.delete(path), 403)
    own = f"{PATH}/{dave_api.post(PATH, {'text': 'Two.'}).json()['id']}"
    assert bob_api.put(own, {"text": "It is my agent."}).status_code == 200
    assert alice_api.delete(path).status_code == 204


def test_what_cannot_be_kept_is_refused(keeper, agent, bob_api):
    refusal(bob_api.post(PATH, {"text": " "}), 400)
    refusal(bob_api.post(PATH, {"text": "x" * 301}), 400)
    refusal(bob_api.post("agents/writer/memories", {"text": "One."}), 409)
    refusal(bob_api.post("agents/nobody/memories", {"text": "One."}), 404)
    bob_api.post(PATH, {"text": "One."})
    refusal(bob_api.post(PATH, {"text": "ONE."}), 409)

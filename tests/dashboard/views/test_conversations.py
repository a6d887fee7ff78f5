"""The pages of conversations: begun, continued, branched, changed by those who may, read by everybody."""

import base64
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from orchestration.models import Conversation, Document, Memory, Task, Turn
from orchestration.policy.states import TaskStatus
from orchestration.services import conversations as service
from orchestration.services.conversations import Saying

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")
JSON = {"headers": {"Accept": "application/json"}}


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.fixture
def talk(as_bob, agent, node):
    return service.create(actor=as_bob, agent=agent, title="Trip")


@pytest.fixture
def say(as_bob, talk):
    def run(text, answer="Hi **there**!", status=TaskStatus.COMPLETED, **fields):
        turn = service.say(actor=as_bob, conversation_id=talk.pk, saying=Saying(text=text))
        Task.objects.filter(pk=turn.task_id).update(status=status, output=answer, **fields)
        return turn

    return run


def url(talk, rest=""):
    return f"/chat/{talk.pk}{rest}"


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_reads_it_and_only_its_owner_and_maintainers_get_the_buttons(name, request, as_user, talk, say):
    say("Hello <b>you</b>.")
    answer = as_user(request.getfixturevalue(name)).get(url(talk))
    assert answer.status_code == 200
    assert "Hello &lt;b&gt;you&lt;/b&gt;." in answer.text
    assert "All" in answer.text or "The one turn so far is sent" in answer.text
    may = name in ("alice", "bob")
    assert ("Regenerate" in answer.text) == may
    assert ('data-edit="' in answer.text) == may
    assert "Trip" in request.getfixturevalue("client").get("/chat?whose=all").text


def test_a_conversation_begins_with_the_first_words(as_user, bob, agent, node):
    sent = {"agent": agent.pk, "text": "Plan a trip.", "images": SimpleUploadedFile("a.png", PIXEL, "image/png")}
    answer = as_user(bob).post("/chat", sent)
    talk = Conversation.objects.get()
    assert answer["Location"] == url(talk)
    assert (talk.title, talk.owner, talk.turns.get().image_count) == ("Plan a trip.", bob, 1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": " "}, "Say something."),
        ({"agent": 999}, "Select a valid choice"),
        ({"images": SimpleUploadedFile("a.txt", b"x", "text/plain")}, "is not an image"),
    ],
)
def test_what_is_wrong_with_the_first_words_is_said_and_kept(as_user, bob, agent, node, fields, words):
    answer = as_user(bob).post("/chat", {"agent": agent.pk, "text": "KEEP ME", **fields})
    assert answer.status_code == 422
    assert words in answer.text
    assert not Conversation.objects.exists()


def test_a_conversation_whose_first_words_are_refused_is_not_begun(as_user, bob, make_agent, node):
    dreamer = make_agent("dreamer", models=["gpt-9"])
    answer = as_user(bob).post("/chat", {"agent": dreamer.pk, "text": "Hello."})
    assert answer.status_code == 422
    assert "gpt-9" in answer.text
    assert not Conversation.objects.exists()


def test_the_list_shows_ones_own_unless_asked_for_all(as_user, alice, talk, say):
    say("Where is Graz?")
    browser = as_user(alice)
    assert "No conversations yet" in browser.get("/chat").text
    assert "Trip" in browser.get("/chat?whose=all").text
    assert "Trip" in browser.get("/chat?whose=all&q=graz").text
    assert "Nothing matches" in browser.get("/chat?q=graz").text


def test_something_is_said_once_however_often_the_form_is_sent(as_user, bob, talk):
    browser = as_user(bob)
    for _ in range(2):
        answer = browser.post(url(talk, "/say"), {"text": "Hello.", "form_key": "k"}, **JSON)
        assert answer.json()["url"] == url(talk, "#end")
    assert [turn.text for turn in talk.turns.all()] == ["Hello."]
    answer = browser.post(url(talk, "/say"), {"text": "More."}, **JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    page = browser.get(url(talk)).text
    assert 'form="stop"' in page
    assert "data-send" not in page


def test_another_answer_other_words_and_back(as_user, bob, talk, say):
    first = say("Hello.")
    browser = as_user(bob)
    browser.post(url(talk, f"/turns/{first.pk}/again"))
    Task.objects.update(status=TaskStatus.COMPLETED)
    browser.post(url(talk, f"/turns/{first.pk}/edit"), {"text": "Good morning."})
    page = browser.get(url(talk)).text
    assert "Good morning." in page
    assert "3/3" in page
    browser.post(url(talk, "/head"), {"turn": first.pk})
    page = browser.get(url(talk)).text
    assert "1/3" in page
    assert "Good morning." not in page
    assert browser.post(url(talk, "/head"), {}, **JSON).status_code == 400


def test_edited_words_keep_the_images_unless_there_are_others(as_user, bob, talk, as_bob):
    old = base64.b64encode(PIXEL).decode()
    turn = service.say(actor=as_bob, conversation_id=talk.pk, saying=Saying(text="Look.", images=[old]))
    Task.objects.update(status=TaskStatus.COMPLETED)
    as_user(bob).post(url(talk, f"/turns/{turn.pk}/edit"), {"text": "Look again."})
    assert Turn.objects.get(text="Look again.").images == [old]
    assert f"/tasks/{Turn.objects.last().task_id}/images/0" in as_user(bob).get(url(talk)).text


def test_title_agent_and_documents_change(as_user, bob, talk, make_agent):
    browser, poet = as_user(bob), make_agent("poet")
    browser.post(url(talk, "/change"), {"title": "Holiday", "agent": poet.pk})
    talk.refresh_from_db()
    assert (talk.title, talk.agent) == ("Holiday", poet)
    papers = [
        Document.objects.create(name=name, media_type="text/plain", size_bytes=1, sha256=name, text="x")
        for name in ("a.txt", "b.txt")
    ]
    browser.post(url(talk, "/documents"), {"documents": [papers[0].pk]})
    browser.post(url(talk, "/documents"), {"documents": [papers[1].pk]})
    assert list(talk.documents.all()) == [papers[1]]
    assert "b.txt" in browser.get(url(talk)).text


def test_it_is_taken_away_and_deleted(as_user, bob, talk, say):
    say("Hello.")
    browser = as_user(bob)
    assert "## bob\n\nHello." in browser.get(url(talk, "/export")).text
    assert json.loads(browser.get(url(talk, "/export?format=json")).content)["turns"][0]["text"] == "Hello."
    assert browser.post(url(talk, "/delete"))["Location"] == "/chat"
    assert browser.get(url(talk)).status_code == 404


@pytest.mark.parametrize("name", ["carol", "dave"])
@pytest.mark.parametrize(
    "rest", ["/say", "/head", "/change", "/delete", "/documents", "/turns/1/again", "/turns/1/edit"]
)
def test_others_change_nothing(name, rest, request, as_user, talk, say):
    turn = say("Hello.")
    paper = Document.objects.create(name="a", media_type="text/plain", size_bytes=1, sha256="a", text="x")
    sent = {"text": "x", "turn": turn.pk, "title": "Mine", "documents": [paper.pk]}
    answer = as_user(request.getfixturevalue(name)).post(url(talk, rest.replace("1", str(turn.pk))), sent, **JSON)
    assert answer.status_code == 403
    assert Turn.objects.count() == 1


def test_what_went_wrong_and_what_was_stopped_is_said(as_user, bob, talk, say):
    say("One.", "", TaskStatus.FAILED, error="gpu-a does not answer.")
    say("Two.", "half", TaskStatus.CANCELLED)
    say("Three.", "", TaskStatus.CANCELLED)
    say("Four.", "")
    lost = say("Five.")
    lost.task.delete()
    page = as_user(bob).get(url(talk)).text
    for words in (
        "gpu-a does not answer.",
        "Stopped. What was written so far counts.",
        "Stopped before it said anything.",
        "It ended without any text.",
        "The answer was deleted.",
    ):
        assert words in page


def test_of_a_long_conversation_the_newest_turns_are_drawn_and_all_on_request(as_user, bob, talk, say, monkeypatch):
    monkeypatch.setattr("dashboard.talking.TURNS_SHOWN", 2)
    for number in range(4):
        say(f"Message {number}.")
    page = as_user(bob).get(url(talk)).text
    assert "Show the 2 earlier turns" in page
    assert "Message 1." not in page
    assert "Message 1." in as_user(bob).get(url(talk, "?all")).text


def test_an_agent_that_is_gone_is_said(as_user, bob, talk, agent):
    agent.delete()
    page = as_user(bob).get(url(talk)).text
    assert "who is gone" in page


def test_passages_of_documents_stand_under_the_answer(as_user, bob, talk, say):
    paper = Document.objects.create(name="a.txt", media_type="text/plain", size_bytes=1, sha256="a", text="Graz.")
    passage = {"text": "Graz.", "start": 0, "end": 5, "name": "a.txt", "document_id": paper.pk, "number": 1}
    say("Where?", "In Graz [1].", passages=[{**passage, "heading": "", "page": None}])
    page = as_user(bob).get(url(talk)).text
    assert "1 passage of documents" in page
    assert f"/documents/{paper.pk}?at=0#at" in page


def test_facts_stand_beside_the_conversation(as_user, bob, talk, agent):
    Memory.objects.create(agent=agent, text="The team is in Graz.", source="agent")
    assert "keeps no memory" in as_user(bob).get(url(talk)).text
    agent.memory_enabled = True
    agent.save()
    page = as_user(bob).get(url(talk)).text
    assert "The team is in Graz." in page
    assert "noted by the agent" in page

"""Conversations: who may, one answer at a time, branches, and what each turn submits."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from orchestration.errors import Conflict, InvalidInput, ModelUnavailable, NotAllowed, NotFound, PayloadTooLarge
from orchestration.models import Agent, AuditEntry, Conversation, Document, Run, Task, Turn
from orchestration.policy.states import RunKind, TaskStatus
from orchestration.services import conversations as service
from orchestration.services.conversations import RequestKey, Saying

pytestmark = pytest.mark.django_db
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="


@pytest.fixture
def talk(as_bob: Any, agent: Agent, node: Any) -> Conversation:
    return service.create(actor=as_bob, agent=agent)


@pytest.fixture
def say(as_bob: Any, talk: Conversation) -> Callable[..., Turn]:
    """Bob says something and is answered, unless told otherwise."""

    def run(text: str = "Hello.", *, answer: str | None = "Hi!", **fields: Any) -> Turn:
        saying = Saying(text=text, images=fields.pop("images", ()))
        turn = service.say(actor=as_bob, conversation_id=talk.pk, saying=saying, **fields)
        if answer is not None:
            end(turn, answer)
        return turn

    return run


def end(turn: Turn, answer: str = "Hi!", status: TaskStatus = TaskStatus.COMPLETED, **fields: Any) -> None:
    Task.objects.filter(pk=turn.task_id).update(status=status, output=answer, **fields)


def contents(turn: Turn) -> list[str]:
    assert turn.task is not None
    return [message["content"] for message in turn.task.messages]


def document(name: str = "a.txt") -> Document:
    return Document.objects.create(name=name, media_type="text/plain", size_bytes=1, sha256=name, text="text")


def test_a_turn_is_a_run_of_its_own_kind_with_one_chat_task(talk, say):
    turn = say("Hello there.\nHow are you?")
    run = Run.objects.get()
    assert (run.kind, run.title, run.owner) == (RunKind.CONVERSATION, "Hello there.", talk.owner)
    assert run.spec["conversation_id"] == talk.pk
    assert run.spec["window"]["words"].startswith("No earlier turn yet")
    assert (turn.task.type, turn.task.run) == ("chat", run)


def test_the_first_words_become_the_title_unless_there_is_one(talk, say, as_bob):
    say("  \n Plan a trip to Graz \nplease")
    talk.refresh_from_db()
    assert talk.title == "Plan a trip to Graz"
    service.update(actor=as_bob, conversation_id=talk.pk, title="Trip")
    say("Something else")
    talk.refresh_from_db()
    assert talk.title == "Trip"


def test_the_next_turn_follows_the_last_and_carries_it(talk, say):
    first, second = say("One."), say("Two.")
    assert second.parent == first
    assert contents(second) == ["One.", "Hi!", "Two."]
    talk.refresh_from_db()
    assert talk.head == second


@pytest.mark.parametrize("status", [TaskStatus.PENDING, TaskStatus.ASSIGNED, TaskStatus.RUNNING, TaskStatus.BLOCKED])
def test_while_an_answer_is_being_written_nothing_else_is_said(talk, say, as_bob, status):
    turn = say(answer=None)
    end(turn, "", status)
    with pytest.raises(Conflict, match="still being written") as refused:
        say("Me again.")
    assert refused.value.detail == {"turn_id": turn.pk, "task_id": turn.task_id}
    with pytest.raises(Conflict):
        service.regenerate(actor=as_bob, conversation_id=talk.pk, turn_id=turn.pk)
    with pytest.raises(Conflict):
        service.edit(actor=as_bob, conversation_id=talk.pk, turn_id=turn.pk, text="No, wait.")
    with pytest.raises(Conflict):
        service.delete(actor=as_bob, conversation_id=talk.pk)
    assert Turn.objects.count() == 1


def test_the_same_request_twice_is_one_turn(talk, say):
    request = RequestKey(key="k1", fingerprint="f")
    first = say(answer=None, request=request)
    assert say(answer=None, request=request) == first
    with pytest.raises(Conflict, match="different request"):
        say(answer=None, request=RequestKey(key="k1", fingerprint="other"))
    assert Turn.objects.count() == Run.objects.count() == 1


def test_a_key_that_was_used_for_something_else_is_refused(talk, say, submit, as_bob, agent):
    submit("Hello.")
    Run.objects.update(idempotency_key="k1", request_hash="of tasks")
    with pytest.raises(Conflict, match="different request"):
        say(request=RequestKey(key="k1", fingerprint="f"))


def test_another_answer_is_a_branch_with_the_same_words_and_images(talk, say, as_bob):
    say("One.")
    turn = say("Look.", images=[PIXEL])
    other = service.regenerate(actor=as_bob, conversation_id=talk.pk, turn_id=turn.pk)
    assert (other.text, other.parent_id, other.images, other.image_count) == ("Look.", turn.parent_id, [PIXEL], 1)
    assert contents(other) == ["One.", "Hi!", "Look."]
    talk.refresh_from_db()
    assert talk.head == other


def test_other_words_are_a_branch_in_the_same_place(talk, say, as_bob):
    first = say("One.")
    second = say("Two.")
    edited = service.edit(actor=as_bob, conversation_id=talk.pk, turn_id=first.pk, text="Uno.")
    assert edited.parent_id is None
    assert contents(edited) == ["Uno."]
    end(edited)
    service.choose(actor=as_bob, conversation_id=talk.pk, turn_id=first.pk)
    talk.refresh_from_db()
    assert talk.head == second


def test_one_may_go_on_from_any_turn(talk, say):
    first = say("One.")
    say("Two.")
    turn = say("Three.", parent_id=first.pk)
    assert contents(turn) == ["One.", "Hi!", "Three."]


def test_the_node_of_the_last_answer_is_preferred(talk, say, node):
    first = say("One.", answer=None)
    assert first.task.prefer_node_id is None
    end(first, node=node)
    assert say("Two.").task.prefer_node_id == node.pk


def test_images_are_the_tasks_and_must_be_images(talk, say):
    turn = say("Look.", images=[f"data:image/png;base64,{PIXEL}"])
    assert (turn.images, turn.image_count, turn.task.images) == ([PIXEL], 1, [PIXEL])
    with pytest.raises(InvalidInput):
        say("Look.", images=["not base64!"])
    with pytest.raises(PayloadTooLarge):
        say("Look.", images=["AAAA" * 8_000_000])


def test_images_of_earlier_turns_are_not_kept_again_by_each_task(talk, say):
    say("Look.", images=[PIXEL])
    second = say("And?")
    third = say("And now?", answer=None)
    second.task.refresh_from_db()
    assert [message.get("images") for message in second.task.messages] == [None] * 3
    assert third.task.messages[0]["images"] == [PIXEL]
    assert Turn.objects.get(text="Look.").images == Task.objects.get(turn__text="Look.").images == [PIXEL]


def test_passages_that_were_not_chosen_are_not_kept_with_each_answer(talk, say):
    first = say("One.")
    Task.objects.filter(pk=first.task_id).update(template={"documents": {"candidates": ["…"]}})
    failed = say("Two.", answer=None)
    end(failed, "", TaskStatus.FAILED)
    Task.objects.filter(pk=failed.task_id).update(template={"documents": {}})
    say("Three.")
    assert [task.template for task in Task.objects.order_by("pk")] == [None, {"documents": {}}, None]


def test_what_failed_keeps_the_images_that_its_next_try_sends(talk, say):
    say("Look.", images=[PIXEL])
    failed = say("And?", answer=None)
    end(failed, "", TaskStatus.FAILED)
    say("And now?", answer=None)
    failed.task.refresh_from_db()
    assert failed.task.messages[0]["images"] == [PIXEL]


@pytest.mark.django_db(transaction=True)
def test_what_others_wait_for_is_done_before_a_turn_holds_the_database(talk, say, redis_server, monkeypatch):
    inside: list[bool] = []
    for holder, name in ((service.memories, "gather"), (service, "load_routers")):
        monkeypatch.setattr(holder, name, lambda *_: inside.append(connection.in_atomic_block))
    say()
    assert inside == [False, False]


@pytest.mark.parametrize("number", [10**30, -(10**30), 2**63, 0])
def test_a_document_that_no_database_could_hold_is_not_found(talk, say, as_bob, agent, number):
    with pytest.raises(NotFound, match=f"There is no document {number}"):
        service.attach(actor=as_bob, conversation_id=talk.pk, document_id=number)
    with pytest.raises(NotFound):
        say(document_ids=[number])
    with pytest.raises(NotFound):
        service.create(actor=as_bob, agent=agent, document_ids=[number])


def test_documents_stay_with_the_conversation_until_they_are_taken_away(talk, say, as_bob):
    paper = document()
    turn = say(document_ids=[paper.pk])
    assert list(turn.task.documents.all()) == [paper]
    assert list(say("More.").task.documents.all()) == [paper]
    service.detach(actor=as_bob, conversation_id=talk.pk, document_id=paper.pk)
    assert not say("Less.").task.documents.exists()
    with pytest.raises(NotFound):
        service.detach(actor=as_bob, conversation_id=talk.pk, document_id=paper.pk)
    with pytest.raises(NotFound, match="no document 999"):
        service.attach(actor=as_bob, conversation_id=talk.pk, document_id=999)


def test_a_conversation_has_only_so_many_documents(talk, as_bob, monkeypatch):
    monkeypatch.setattr(service, "MOST_DOCUMENTS", 1)
    service.attach(actor=as_bob, conversation_id=talk.pk, document_id=document("a").pk)
    with pytest.raises(InvalidInput, match="at most 1"):
        service.attach(actor=as_bob, conversation_id=talk.pk, document_id=document("b").pk)


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_one_has_to_say_something(talk, say, text):
    with pytest.raises(InvalidInput, match="Say something"):
        say(text)


def test_a_refused_task_leaves_no_turn(as_bob, make_agent, node):
    talk = service.create(actor=as_bob, agent=make_agent("dreamer", models=["gpt-9"]))
    with pytest.raises(ModelUnavailable):
        service.say(actor=as_bob, conversation_id=talk.pk, saying=Saying(text="Hello."))
    assert not Turn.objects.exists()


def test_an_agent_that_is_gone_answers_no_more_and_another_may(talk, say, agent, as_bob, make_agent):
    say()
    agent.delete()
    with pytest.raises(Conflict, match="writer is gone"):
        say("Still there?")
    service.update(actor=as_bob, conversation_id=talk.pk, agent=make_agent("poet"))
    assert say("Still there?").task.agent_name == "poet"


def test_turns_of_other_conversations_are_not_found(talk, say, as_bob, agent):
    turn = say()
    other = service.create(actor=as_bob, agent=agent)
    for change in (
        lambda: service.regenerate(actor=as_bob, conversation_id=other.pk, turn_id=turn.pk),
        lambda: service.edit(actor=as_bob, conversation_id=other.pk, turn_id=turn.pk, text="x"),
        lambda: service.choose(actor=as_bob, conversation_id=other.pk, turn_id=turn.pk),
        lambda: service.say(actor=as_bob, conversation_id=other.pk, saying=Saying(text="x"), parent_id=turn.pk),
        lambda: service.say(actor=as_bob, conversation_id=999_999, saying=Saying(text="x")),
    ):
        with pytest.raises(NotFound):
            change()


def test_its_owner_and_maintainers_change_it_others_do_not(talk, say, as_alice, as_carol, as_dave):
    turn = say()
    for actor in (as_carol, as_dave):
        for change in (
            lambda actor=actor: service.say(actor=actor, conversation_id=talk.pk, saying=Saying(text="x")),
            lambda actor=actor: service.regenerate(actor=actor, conversation_id=talk.pk, turn_id=turn.pk),
            lambda actor=actor: service.choose(actor=actor, conversation_id=talk.pk, turn_id=turn.pk),
            lambda actor=actor: service.update(actor=actor, conversation_id=talk.pk, title="Mine"),
            lambda actor=actor: service.delete(actor=actor, conversation_id=talk.pk),
            lambda actor=actor: service.attach(actor=actor, conversation_id=talk.pk, document_id=1),
        ):
            with pytest.raises(NotAllowed):
                change()
    service.update(actor=as_alice, conversation_id=talk.pk, title="Ours")


def test_a_viewer_begins_none(as_carol, agent):
    with pytest.raises(NotAllowed):
        service.create(actor=as_carol, agent=agent)


def test_deleting_takes_the_answers_along_as_far_as_they_are_the_actors(talk, say, as_bob, as_alice):
    say("Mine.")
    hers = service.say(actor=as_alice, conversation_id=talk.pk, saying=Saying(text="Hers."))
    end(hers)
    service.delete(actor=as_bob, conversation_id=talk.pk)
    assert not Conversation.objects.exists()
    assert list(Task.objects.values_list("title", flat=True)) == ["Hers."]
    assert AuditEntry.objects.get(action="conversation.deleted").detail == {"turns": 2}

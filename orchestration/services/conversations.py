"""Conversations: begun, continued, asked again, branched, renamed, deleted. Each turn is a run with one chat task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, cast

from django.db import transaction

from orchestration import events
from orchestration.errors import Conflict, InvalidInput, NotFound
from orchestration.models import Agent, Conversation, Document, Task, Turn
from orchestration.payloads.conversations import window as window_payload
from orchestration.permissions import Action, Actor, allowed, require
from orchestration.policy.states import RunKind, TaskStatus, TaskType
from orchestration.queries.conversations import get_turn, tree, unfinished_turn
from orchestration.queries.ids import possible
from orchestration.services import audit, memories, tasks, turns
from orchestration.services.choosing import load_routers
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit_run

Arguments = ParamSpec("Arguments")

TITLE_CHARACTERS = 80
MOST_DOCUMENTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What a person says. ``images`` are base64; an empty model leaves the choice to the agent."""

    text: str
    images: Sequence[str] = ()
    model_name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """Of a request that may come twice; ``fingerprint`` tells whether it was the same, in the same place."""

    key: str
    fingerprint: str = ""


@transaction.atomic
def create(*, actor: Actor, agent: Agent, title: str = "", document_ids: Sequence[int] = ()) -> Conversation:
    require(actor, Action.EDIT_CONVERSATION)
    conversation = Conversation.objects.create(
        owner_id=actor.user_id, agent=agent, agent_name=agent.name, title=_title(title)
    )
    _attach(conversation, document_ids)
    audit.record(actor, "conversation.created", conversation, agent=agent.name)
    _announce(conversation)
    return conversation


@transaction.atomic
def update(*, actor: Actor, conversation_id: int, title: str | None = None, agent: Agent | None = None) -> Conversation:
    """Another agent answers from the next turn on."""
    conversation = _locked(conversation_id, actor)
    before = {"title": conversation.title, "agent": conversation.agent_name}
    if title is not None:
        conversation.title = _title(title)
    if agent is not None:
        conversation.agent, conversation.agent_name = agent, agent.name
    conversation.save()
    after = {"title": conversation.title, "agent": conversation.agent_name}
    audit.record(actor, "conversation.changed", conversation, changes=audit.changes(before, after))
    _announce(conversation)
    return conversation


@transaction.atomic
def delete(*, actor: Actor, conversation_id: int) -> None:
    """With its answers, as far as the actor may delete those. Conflict while one is being written."""
    conversation = _locked(conversation_id, actor)
    _check_quiet(conversation)
    answers = [turn.task for turn in conversation.turns.select_related("task").defer("images") if turn.task]
    audit.record(actor, "conversation.deleted", conversation, turns=conversation.turns.count())
    deletable = [task.pk for task in answers if allowed(actor, Action.DELETE_TASK, task)]
    conversation_id = conversation.pk
    conversation.delete()
    tasks.delete_ended(actor=actor, task_ids=deletable)
    events.on_commit(("conversation", {"id": conversation_id}))


def _asking(work: Callable[Arguments, Turn]) -> Callable[Arguments, Turn]:
    """In one transaction. What concerns other conversations, or takes long, is done before that begins."""

    @wraps(work)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Turn:
        memories.gather()
        conversation = Conversation.objects.filter(pk=cast(int, kwargs["conversation_id"]))
        load_routers(Agent.objects.filter(pk__in=conversation.values("agent")))
        with transaction.atomic():
            return work(*args, **kwargs)

    return run


@_asking
def say(
    *,
    actor: Actor,
    conversation_id: int,
    saying: Saying,
    parent_id: int | None = None,
    document_ids: Sequence[int] = (),
    request: RequestKey | None = None,
) -> Turn:
    """The next turn after ``parent_id``, or at the end of the branch shown. Documents stay with the conversation.

    Raises Conflict while an answer is being written, and whatever ``submit_run`` raises.
    """
    conversation = _locked(conversation_id, actor)
    if request and (earlier := _said_before(conversation, actor, request)):
        return earlier
    _check_quiet(conversation)
    if parent_id is not None:
        get_turn(conversation_id, parent_id)
    _attach(conversation, document_ids)
    return _ask(actor, conversation, conversation.head_id if parent_id is None else parent_id, saying, request)


@_asking
def regenerate(
    *, actor: Actor, conversation_id: int, turn_id: int, model_name: str = "", request: RequestKey | None = None
) -> Turn:
    """Another answer to the same words, as a branch beside it."""
    conversation = _locked(conversation_id, actor)
    if request and (earlier := _said_before(conversation, actor, request)):
        return earlier
    _check_quiet(conversation)
    turn = get_turn(conversation_id, turn_id)
    saying = Saying(text=turn.text, images=turn.images, model_name=model_name)
    return _ask(actor, conversation, turn.parent_id, saying, request)


@_asking
def edit(
    *,
    actor: Actor,
    conversation_id: int,
    turn_id: int,
    text: str,
    images: Sequence[str] | None = None,
    request: RequestKey | None = None,
) -> Turn:
    """Other words in the same place, as a branch beside it. The images stay unless there are others."""
    conversation = _locked(conversation_id, actor)
    if request and (earlier := _said_before(conversation, actor, request)):
        return earlier
    _check_quiet(conversation)
    turn = get_turn(conversation_id, turn_id)
    saying = Saying(text=text, images=turn.images if images is None else images)
    return _ask(actor, conversation, turn.parent_id, saying, request)


@transaction.atomic
def choose(*, actor: Actor, conversation_id: int, turn_id: int) -> Conversation:
    """Shows the branch through this turn, to its newest end; what is said next continues it."""
    conversation = _locked(conversation_id, actor)
    get_turn(conversation_id, turn_id)
    conversation.head_id = tree(conversation_id).newest_end(turn_id)
    conversation.save(update_fields=["head"])
    _announce(conversation)
    return conversation


@transaction.atomic
def attach(*, actor: Actor, conversation_id: int, document_id: int) -> Conversation:
    conversation = _locked(conversation_id, actor)
    _attach(conversation, [document_id])
    audit.record(actor, "conversation.document_attached", conversation, document=document_id)
    _announce(conversation)
    return conversation


@transaction.atomic
def detach(*, actor: Actor, conversation_id: int, document_id: int) -> Conversation:
    """Answers that used it stay as they are."""
    conversation = _locked(conversation_id, actor)
    if not conversation.documents.filter(pk=document_id).exists():
        raise NotFound(f"Conversation {conversation_id} has no document {document_id}.")
    conversation.documents.remove(document_id)
    audit.record(actor, "conversation.document_detached", conversation, document=document_id)
    _announce(conversation)
    return conversation


def _locked(conversation_id: int, actor: Actor) -> Conversation:
    conversation = Conversation.objects.select_for_update().filter(pk=conversation_id).first()
    if conversation is None:
        raise NotFound(f"There is no conversation {conversation_id}.")
    require(actor, Action.EDIT_CONVERSATION, conversation)
    return conversation


def _check_quiet(conversation: Conversation) -> None:
    if turn := unfinished_turn(conversation.pk):
        raise Conflict(
            "An answer is still being written. Wait for its end, or stop it first.",
            turn_id=turn.pk,
            task_id=turn.task_id,
        )


def _said_before(conversation: Conversation, actor: Actor, request: RequestKey) -> Turn | None:
    """What an earlier request with the same key made here."""
    turn = (
        Turn.objects.select_related("task__run")
        .filter(conversation=conversation, task__run__owner=actor.user_id, task__run__idempotency_key=request.key)
        .first()
    )
    if turn and turn.task and turn.task.run.request_hash != request.fingerprint:
        raise Conflict("This Idempotency-Key was used for a different request; use a new one.", turn_id=turn.pk)
    return turn


def _ask(
    actor: Actor, conversation: Conversation, parent_id: int | None, saying: Saying, request: RequestKey | None
) -> Turn:
    agent = conversation.agent
    if agent is None:
        raise Conflict(f"The agent {conversation.agent_name} is gone. Give the conversation another one.")
    if not saying.text.strip():
        raise InvalidInput("Say something.", field="text")
    path = tree(conversation.pk).path(parent_id)
    found = turns.prompt(conversation, agent, turns.Question(path=path, text=saying.text, images=len(saying.images)))
    document_ids = list(conversation.documents.values_list("pk", flat=True))
    spec = TaskSpec(
        type=TaskType.CHAT,
        messages=found.messages,
        system=found.system,
        images=saying.images,
        model_name=saying.model_name,
        title=_first_line(saying.text),
        prefer_node_id=_node_of(path),
        document_ids=document_ids,
        context_tokens=found.document_tokens if document_ids else None,
    )
    facts = {"conversation_id": conversation.pk, "window": window_payload(found.window)}
    _lighten(conversation)
    run = submit_run(
        actor=actor,
        agent=agent,
        specs=[spec],
        plan=RunPlan(kind=RunKind.CONVERSATION, title=_first_line(saying.text), spec=facts),
        idempotency_key=request.key if request else None,
        request_hash=request.fingerprint if request else "",
    )
    task = run.tasks.latest("position")
    return _append(conversation, agent, parent_id, saying.text, {"task": task, "images": task.images})


def _lighten(conversation: Conversation) -> None:
    """Each task keeps all that it sends. Once one is answered, the turns alone keep the images of earlier turns, and
    nobody chooses again among the passages of its documents."""
    last = Task.objects.filter(turn__conversation=conversation, status=TaskStatus.COMPLETED).order_by("-pk")
    task_id = last.values_list("pk", flat=True).first() or 0
    Task.objects.filter(pk=task_id, template__isnull=False).update(template=None)
    if not conversation.turns.filter(image_count__gt=0).exists():
        return
    for task in Task.objects.filter(pk=task_id).only("messages"):
        lean = [{name: value for name, value in said.items() if name != "images"} for said in task.messages or ()]
        if lean != task.messages:
            Task.objects.filter(pk=task.pk).update(messages=lean)


def _append(conversation: Conversation, agent: Agent, parent_id: int | None, text: str, fields: dict[str, Any]) -> Turn:
    turn = Turn.objects.create(
        conversation=conversation,
        parent_id=parent_id,
        text=text,
        image_count=len(fields["images"]),
        remembers=agent.memory_enabled,
        **fields,
    )
    conversation.head = turn
    conversation.title = conversation.title or _title(_first_line(text))
    conversation.save(update_fields=["head", "title", "updated_at"])
    _announce(conversation)
    return turn


def _node_of(path: Sequence[int]) -> int | None:
    """Where the last answer was written: its node may still hold what all of it begins with."""
    used = Turn.objects.filter(pk__in=path, task__node__isnull=False).order_by("-pk")
    return used.values_list("task__node_id", flat=True).first()


def _attach(conversation: Conversation, document_ids: Sequence[int]) -> None:
    known = set(Document.objects.filter(pk__in=possible(document_ids)).values_list("pk", flat=True))
    if missing := [document_id for document_id in document_ids if document_id not in known]:
        raise NotFound(f"There is no document {missing[0]}.", documents=missing)
    conversation.documents.add(*known)
    if conversation.documents.count() > MOST_DOCUMENTS:
        raise InvalidInput(f"A conversation has at most {MOST_DOCUMENTS} documents.", field="document_ids")


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[:160]


def _title(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= TITLE_CHARACTERS else f"{flat[: TITLE_CHARACTERS - 1]}…"


def _announce(conversation: Conversation) -> None:
    events.on_commit(("conversation", {"id": conversation.pk}))

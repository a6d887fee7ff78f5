"""Conversations, their turns and what agents remember, on the wire."""

from typing import Any, Literal

from typing_extensions import TypedDict

from orchestration.models import Conversation, Document, Memory, Task, Turn
from orchestration.payloads.base import stamp
from orchestration.payloads.tasks import PUBLIC_STATUS, Metrics, Progress, metrics, state_of
from orchestration.payloads.waiting import Wait
from orchestration.policy.states import TaskStatus
from orchestration.policy.windows import Window


class DocumentName(TypedDict):
    id: int
    name: str


class WindowPayload(TypedDict):
    """What of the branch goes to the model with a question. ``words`` is the rule as people read it."""

    turns: int
    sent: int
    left_out: int
    tokens: int
    context: int
    answer: int
    words: str


class AnswerPayload(TypedDict):
    """The task that answers a turn. ``run_id`` is what can be cancelled, ``task_id`` what can be followed."""

    task_id: int
    run_id: int
    status: str
    state: str
    output: str
    thinking: str
    tool_calls: list[Any]
    passages: list[Any]
    model: str | None
    node: str | None
    message: str
    waiting_reason: str | None
    error_code: str | None
    error: str | None
    metrics: Metrics
    window: WindowPayload | None


class TurnPayload(TypedDict):
    """``siblings``: ids of the turns with the same place in the conversation, itself among them, oldest first.

    ``answer`` is null when its task was deleted. ``can_be_sent``: whether it goes along with later questions.
    """

    id: int
    parent_id: int | None
    number: int
    text: str
    image_count: int
    siblings: list[int]
    answer: AnswerPayload | None
    can_be_sent: bool
    created_at: str


class ConversationPayload(TypedDict):
    id: int
    title: str
    agent_id: int | None
    agent: str
    owner: str | None
    head_id: int | None
    turn_count: int
    documents: list[DocumentName]
    created_at: str
    updated_at: str


class ConversationDetail(ConversationPayload):
    """``turns``: the branch shown, oldest first. ``window``: what would go with the next question."""

    turns: list[TurnPayload]
    window: WindowPayload | None


class MemoryPayload(TypedDict):
    """A fact that an agent remembers. ``source`` agent: it noted it itself, in ``conversation_id``."""

    id: int
    agent_id: int
    text: str
    source: Literal["person", "agent"]
    author: str
    conversation_id: int | None
    created_at: str


def conversation(row: Conversation, *, turn_count: int) -> ConversationPayload:
    return ConversationPayload(
        id=row.pk,
        title=row.title,
        agent_id=row.agent_id,
        agent=row.agent_name,
        owner=row.owner.username if row.owner else None,
        head_id=row.head_id,
        turn_count=turn_count,
        documents=[document_name(document) for document in row.documents.all()],
        created_at=stamp(row.created_at),
        updated_at=stamp(row.updated_at),
    )


def document_name(row: Document) -> DocumentName:
    return DocumentName(id=row.pk, name=row.name)


def window(found: Window) -> WindowPayload:
    return WindowPayload(
        turns=found.turns,
        sent=len(found.sent),
        left_out=found.left_out,
        tokens=found.tokens,
        context=found.context,
        answer=found.answer,
        words=found.words,
    )


def turn(
    row: Turn, *, number: int, siblings: list[int], progress: Progress | None = None, wait: Wait | None = None
) -> TurnPayload:
    return TurnPayload(
        id=row.pk,
        parent_id=row.parent_id,
        number=number,
        text=row.text,
        image_count=row.image_count,
        siblings=siblings,
        answer=answer(row.task, progress, wait) if row.task else None,
        can_be_sent=has_answer(row.task),
        created_at=stamp(row.created_at),
    )


def has_answer(task: Task | None) -> bool:
    """What was stopped counts as far as it was written; what failed does not."""
    if task is None or task.status not in (TaskStatus.COMPLETED, TaskStatus.CANCELLED):
        return False
    return bool(task.output.strip())


def answer(task: Task, progress: Progress | None = None, wait: Wait | None = None) -> AnswerPayload:
    running = task.status == TaskStatus.RUNNING and progress is not None and progress["attempt_id"] == task.attempt_id
    live = progress if running else None
    return AnswerPayload(
        task_id=task.pk,
        run_id=task.run_id,
        status=PUBLIC_STATUS[TaskStatus(task.status)],
        state=state_of(task, live["phase"] if live else task.phase),
        output=task.output,
        thinking=task.thinking,
        tool_calls=task.tool_calls,
        passages=task.passages,
        model=task.model_used or task.model_name or None,
        node=task.node_name or None,
        message=live["message"] if live else task.message,
        waiting_reason=wait.sentence if wait else None,
        error_code=task.error_code or None,
        error=task.error or None,
        metrics=metrics(task),
        window=task.run.spec.get("window"),
    )


def memory(row: Memory) -> MemoryPayload:
    return MemoryPayload(
        id=row.pk,
        agent_id=row.agent_id,
        text=row.text,
        source="agent" if row.source == "agent" else "person",
        author=row.author_name,
        conversation_id=row.conversation_id,
        created_at=stamp(row.created_at),
    )

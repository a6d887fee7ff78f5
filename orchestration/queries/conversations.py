"""Conversations: lists, the branch that is shown, single turns, and what agents remember."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from django.db.models import Count, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from orchestration import events
from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Conversation, Document, Memory, Task, Turn
from orchestration.payloads import Progress
from orchestration.payloads.conversations import (
    ConversationDetail,
    ConversationPayload,
    MemoryPayload,
    TurnPayload,
    has_answer,
    memory,
    turn,
)
from orchestration.payloads.conversations import conversation as conversation_payload
from orchestration.payloads.conversations import window as window_payload
from orchestration.policy.states import UNFINISHED, TaskStatus
from orchestration.policy.windows import Window
from orchestration.queries.ids import id_of
from orchestration.queries.waiting import waits

MOST_ROWS = 200
_HEAVY_OF_TASKS = (
    *("messages", "images", "vectors", "system_prompt", "metadata", "parameters", "options", "tools", "format"),
    *("template", "fallbacks", "input"),
)
_HEAVY = ("images", *(f"task__{name}" for name in _HEAVY_OF_TASKS))


_TURNS = Coalesce(
    Subquery(
        Turn.objects.filter(conversation=OuterRef("pk")).order_by().values("conversation").values(count=Count("pk"))
    ),
    0,
)
"""Counted for the rows of a page alone: a join would count those of all conversations for each page."""


def conversations(
    *, owner: str = "", text: str = "", limit: int = 50, cursor: str | None = None
) -> tuple[list[ConversationPayload], str | None]:
    """The last changed first, and the cursor to older ones. ``text``: in the title or in what somebody said."""
    rows = _with_documents().select_related("owner").annotate(said=_TURNS)
    if owner:
        rows = rows.filter(owner__username=owner)
    if text:
        said = Turn.objects.filter(text__icontains=text).values("conversation_id")
        rows = rows.filter(Q(title__icontains=text) | Q(pk__in=said))
    start, limit = _position(cursor), max(1, min(limit, MOST_ROWS))
    found = list(rows.order_by("-updated_at", "-pk")[start : start + limit + 1])
    page = [conversation_payload(row, turn_count=row.said) for row in found[:limit]]
    return page, str(start + limit) if len(found) > limit else None


def _position(cursor: str | None) -> int:
    at = id_of(cursor) if cursor else 0
    if at is None:
        raise InvalidInput("This cursor was not made here; leave it out for the first page.", field="cursor")
    return at


def _with_documents() -> QuerySet[Conversation]:
    """Without the texts of those: they may be millions of characters."""
    return Conversation.objects.prefetch_related(Prefetch("documents", Document.objects.defer("text")))


def get_conversation(conversation_id: int) -> Conversation:
    row = _with_documents().select_related("owner", "agent").filter(pk=conversation_id).first()
    if row is None:
        raise NotFound(f"There is no conversation {conversation_id}.")
    return row


def get_turn(conversation_id: int, turn_id: int) -> Turn:
    row = Turn.objects.filter(conversation=conversation_id, pk=turn_id).select_related("task").first()
    if row is None:
        raise NotFound(f"There is no turn {turn_id} in conversation {conversation_id}.")
    return row


@dataclass(frozen=True, slots=True)
class Tree:
    """Who follows whom in a conversation. ``parents`` is in the order in which turns were made."""

    parents: dict[int, int | None]
    children: dict[int | None, list[int]] = field(default_factory=dict)

    def path(self, turn_id: int | None) -> list[int]:
        """From the first turn to this one."""
        found: list[int] = []
        while turn_id is not None:
            found.append(turn_id)
            turn_id = self.parents[turn_id]
        return found[::-1]

    def siblings(self, turn_id: int) -> list[int]:
        return self.children[self.parents[turn_id]]

    def newest_end(self, turn_id: int) -> int:
        """The end of the newest branch that goes through this turn."""
        while turn_id in self.children:
            turn_id = self.children[turn_id][-1]
        return turn_id


def tree(conversation_id: int) -> Tree:
    parents: dict[int, int | None] = dict(
        Turn.objects.filter(conversation=conversation_id).order_by("pk").values_list("pk", "parent_id")
    )
    found = Tree(parents)
    for turn_id, parent_id in parents.items():
        found.children.setdefault(parent_id, []).append(turn_id)
    return found


def turns(turn_ids: Sequence[int]) -> list[Turn]:
    """With their tasks, without what is heavy, in the order given."""
    rows = _with_tasks().filter(pk__in=turn_ids).in_bulk()
    return [rows[turn_id] for turn_id in turn_ids]


def _with_tasks() -> QuerySet[Turn]:
    return Turn.objects.select_related("task__run", "task__owner", "task__lane").defer(*_HEAVY)


def turn_payloads(found: Tree, turn_ids: Sequence[int], *, first_number: int = 1) -> list[TurnPayload]:
    rows = turns(turn_ids)
    tasks = [row.task for row in rows if row.task]
    progress = _progress(tasks)
    waiting = waits(tasks)
    return [
        turn(
            row,
            number=number,
            siblings=found.siblings(row.pk),
            progress=progress.get(row.task_id or 0),
            wait=waiting.get(row.task_id or 0),
        )
        for number, row in enumerate(rows, start=first_number)
    ]


def _progress(tasks: Sequence[Task]) -> dict[int, Progress]:
    running = [task.pk for task in tasks if task.status == TaskStatus.RUNNING]
    return {task_id: cast(Progress, value) for task_id, value in events.read_progress(running).items()}


def detail(conversation: Conversation, window: Window | None) -> ConversationDetail:
    """With the branch that is shown; ``window``: what would go with the next question."""
    found = tree(conversation.pk)
    return {
        **conversation_payload(conversation, turn_count=len(found.parents)),
        "turns": turn_payloads(found, found.path(conversation.head_id)),
        "window": window_payload(window) if window else None,
    }


def answered(turn_ids: Sequence[int]) -> list[Turn]:
    """Of these turns those that go along with later questions."""
    return [row for row in turns(turn_ids) if has_answer(row.task)]


def unfinished_turn(conversation_id: int) -> Turn | None:
    """The one whose answer is being written, or waited for."""
    return Turn.objects.filter(conversation=conversation_id, task__status__in=UNFINISHED).order_by("-pk").first()


def memories(agent_id: int) -> list[MemoryPayload]:
    return [memory(row) for row in Memory.objects.filter(agent=agent_id)]


def get_memory(agent_id: int, memory_id: int) -> Memory:
    row = Memory.objects.select_related("agent").filter(agent=agent_id, pk=memory_id).first()
    if row is None:
        raise NotFound(f"This agent remembers no fact {memory_id}.")
    return row

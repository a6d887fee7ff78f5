"""Turns as the page of a conversation draws them, and the documents that may be put beside it."""

from typing import Any

from django.urls import reverse

from orchestration import queries
from orchestration.models import Conversation, Document
from orchestration.payloads.conversations import TurnPayload
from orchestration.policy.passages import Passage, read
from orchestration.queries.conversations import Tree, turn_payloads

TURNS_SHOWN = 60
PICKER_ROWS = 100
UNFINISHED = ("pending", "running")


def shown_turns(row: Conversation, found: Tree, *, everything: bool) -> tuple[list[dict[str, Any]], int]:
    """The newest turns of the branch, and how many earlier ones are left out of the page."""
    path = found.path(row.head_id)
    earlier = 0 if everything else max(0, len(path) - TURNS_SHOWN)
    turns = turn_payloads(found, path[earlier:], first_number=earlier + 1)
    passages = {turn["id"]: read(turn["answer"]["passages"]) if turn["answer"] else [] for turn in turns}
    named = {passage.document_id for some in passages.values() for passage in some if passage.document_id}
    there = set(Document.objects.filter(pk__in=named).values_list("pk", flat=True))
    return [
        {**_drawn(turn), "passages": [_shown(passage, there) for passage in passages[turn["id"]]]} for turn in turns
    ], earlier


def _shown(passage: Passage, there: set[int]) -> dict[str, Any]:
    known = passage.document_id is not None and passage.document_id in there
    link = f"{reverse('document', args=[passage.document_id])}?at={passage.start}#at" if known else ""
    return {
        "number": passage.number,
        "origin": passage.origin or "Text",
        "text": passage.text,
        "link": link,
    }


def _drawn(turn: TurnPayload) -> dict[str, Any]:
    siblings, answer = turn["siblings"], turn["answer"]
    at = siblings.index(turn["id"])
    return {
        **turn,
        "branch": at + 1,
        "before": siblings[at - 1] if at else None,
        "after": siblings[at + 1] if at + 1 < len(siblings) else None,
        "unfinished": answer is not None and answer["status"] in UNFINISHED,
        "images": range(turn["image_count"]),
    }


def head_of(turns: list[dict[str, Any]]) -> dict[str, Any] | None:
    return turns[-1] if turns else None


def documents_to_choose(row: Conversation) -> list[dict[str, Any]]:
    """Those of the conversation first, ticked, then the newest."""
    chosen = [document.pk for document in row.documents.all()]
    newest, _ = queries.documents(limit=PICKER_ROWS)
    first = queries.documents_by_id(chosen)
    rows = [*first, *(document for document in newest if document["id"] not in chosen)]
    return [{**document, "chosen": document["id"] in chosen} for document in rows]

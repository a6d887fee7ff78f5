"""Conversations to take away: the branch shown as Markdown, or everything as JSON."""

from typing import Any

from orchestration.models import Turn
from orchestration.payloads.conversations import TurnPayload
from orchestration.payloads.conversations import conversation as conversation_payload
from orchestration.queries.conversations import get_conversation, tree, turn_payloads

NO_ANSWER = {
    "failed": "*The answer failed: {error}*",
    "cancelled": "*The answer was stopped before it said anything.*",
    "pending": "*The answer has not begun yet.*",
    "running": "*The answer is still being written.*",
}


def markdown(conversation_id: int) -> str:
    """The branch that is shown, a heading for each turn of who speaks."""
    conversation = get_conversation(conversation_id)
    found = tree(conversation_id)
    said = turn_payloads(found, found.path(conversation.head_id))
    owner = conversation.owner.username if conversation.owner else "Somebody"
    facts = f"{conversation.agent_name}, {conversation.created_at:%Y-%m-%d}"
    parts = [f"# {conversation.title or 'Conversation'}", facts]
    for turn in said:
        parts += [f"## {owner}", turn["text"] + _images(turn), f"## {conversation.agent_name}", _answer(turn)]
    return "\n\n".join(parts) + "\n"


def _images(turn: TurnPayload) -> str:
    count = turn["image_count"]
    return f"\n\n*({count} image{'s' if count > 1 else ''})*" if count else ""


def _answer(turn: TurnPayload) -> str:
    answer = turn["answer"]
    if answer is None:
        return "*The answer was deleted.*"
    return answer["output"] or NO_ANSWER.get(answer["status"], "").format(error=answer["error"] or "")


def as_json(conversation_id: int) -> dict[str, Any]:
    """All branches, with the images."""
    conversation = get_conversation(conversation_id)
    found = tree(conversation_id)
    said = turn_payloads(found, list(found.parents))
    images = dict(Turn.objects.filter(conversation=conversation_id, image_count__gt=0).values_list("pk", "images"))
    return {
        **conversation_payload(conversation, turn_count=len(found.parents)),
        "branch": found.path(conversation.head_id),
        "turns": [{**turn, "images": images.get(turn["id"], [])} for turn in said],
    }

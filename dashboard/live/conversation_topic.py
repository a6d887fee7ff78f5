"""The topic of one conversation: which branch it shows, and what its agent remembers. Texts come from its tasks."""

from typing import Any

from dashboard.live.hub import Event
from dashboard.live.topics import Parts, Port, Refresher, Topic, number
from orchestration.payloads import stamp
from orchestration.queries.conversations import get_conversation, memories


class ConversationTopic(Topic):
    def __init__(self, port: Port, argument: str, query: str) -> None:
        super().__init__(port, argument, query)
        self.conversation_id = number(argument)
        self.refresher = Refresher(port, f"conversation:{self.conversation_id}", _look, self.conversation_id)
        self.agent_id: int | None = None

    async def snapshot(self) -> Any:
        found = await self.refresher.read()
        self.agent_id = found["conversation"]["agent_id"]
        return found

    def on_event(self, event: Event) -> None:
        own = event.kind == "conversation" and event.data["id"] == self.conversation_id
        if own or (event.kind == "memory" and event.data["agent_id"] == self.agent_id):
            self.refresher.want(event.seq)


def _look(conversation_id: int) -> Parts:
    row = get_conversation(conversation_id)
    facts = [(fact["id"], fact["text"]) for fact in memories(row.agent_id)] if row.agent_id else []
    return {
        "conversation": {
            "id": row.pk,
            "title": row.title,
            "agent_id": row.agent_id,
            "head_id": row.head_id,
            "documents": [document.pk for document in row.documents.all()],
            "updated_at": stamp(row.updated_at),
        },
        "memories": facts,
    }

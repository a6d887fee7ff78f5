"""Conversations: held at the terminal, listed, shown, deleted; and what agents remember across them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Agent, Documents, Limit, Model
from orchestration.cli.chatting import Chat, Dialogue, say_once, tell
from orchestration.cli.client import part
from orchestration.cli.commands.documents import ids_of
from orchestration.cli.failures import Misused
from orchestration.cli.outcomes import saved
from orchestration.cli.session import Session, command, listing
from orchestration.cli.text import ago, line

app = typer.Typer()
conversations = typer.Typer(name="conversations", help="Conversations that were held.")
memories = typer.Typer(name="memories", help="What agents remember across conversations.")
app.add_typer(conversations)
app.add_typer(memories)

Id = Annotated[int, typer.Argument(metavar="ID", help="A conversation's id.", show_default=False)]
MemoryId = Annotated[int, typer.Argument(metavar="ID", help="The fact's id.", show_default=False)]


@command(app, "chat")
def chat(
    session: Session,
    agent: Agent,
    message: Annotated[str | None, typer.Option("--message", "-m", help="One question; - reads it from stdin.")] = None,
    conversation: Annotated[int | None, typer.Option("--conversation", help="Go on with this one.")] = None,
    model: Model = None,
    document: Documents = None,
) -> None:
    """Talk to an agent. What comes in from a pipe is one question."""
    found = session.client.get(f"conversations/{conversation}") if conversation is not None else None
    if found is None:
        session.client.get(f"agents/{part(agent)}")
    elif agent not in (found["agent"], str(found["agent_id"])):
        raise Misused(f"Conversation {conversation} is with {line(found['agent'])}, not with {line(agent)}.")
    held = Chat(session, agent, found, model=model or "", document_ids=ids_of(session, document))
    if message == "-" or (message is None and not sys.stdin.isatty()):
        message = sys.stdin.read()
    if message is not None:
        _once(session, held, message)
        return
    if session.out.as_json:
        raise Misused("--json is for one question: add --message TEXT.")
    tell(session.out.note, session.out.output, found or {})
    session.out.note(f"You talk to {line(agent)}. /help says what else can be typed; Ctrl-D ends it.")
    Dialogue(session, held).run()


def _once(session: Session, held: Chat, message: str) -> None:
    if not message.strip():
        raise Misused("There is no question.")
    say_once(session, held, message)


@listing(conversations)
def list_conversations(
    session: Session,
    owner: Annotated[str | None, typer.Option("--owner", help="Only those of this person.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="With this text in them.")] = None,
    limit: Limit = LIMIT_DEFAULT,
) -> None:
    """Conversations, the last changed first."""
    answer = session.client.rows("conversations", "conversations", limit=limit, owner=owner, text=text)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [
        (row["id"], row["agent"], line(row["title"], 60), row["turn_count"], row["owner"], ago(row["updated_at"]))
        for row in answer["conversations"]
    ]
    session.out.table(("id", "agent", "title", "turns", "owner", "changed"), rows, empty="There are no conversations.")


@command(conversations, "show")
def show_conversation(session: Session, conversation_id: Id) -> None:
    """What was said."""
    found = session.client.get(f"conversations/{conversation_id}")
    session.out.json(found) if session.out.as_json else tell(session.out.say, session.out.output, found)


@command(conversations, "export")
def export_conversation(
    session: Session,
    conversation_id: Id,
    form: Annotated[str, typer.Option("--format", help="markdown or json.")] = "markdown",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")] = None,
) -> None:
    """Take a conversation away."""
    saved(session, f"conversations/{conversation_id}/export", output, format=form)


@command(conversations, "delete")
def delete_conversation(session: Session, conversation_id: Id) -> None:
    """Delete a conversation with its answers."""
    session.client.delete(f"conversations/{conversation_id}")
    if not session.out.as_json:
        session.out.say(f"Conversation {conversation_id} is deleted.", "green")


@command(memories, "list")
def list_memories(session: Session, agent: Agent, limit: Limit = LIMIT_DEFAULT) -> None:
    """What an agent remembers."""
    answer = session.client.rows(f"agents/{part(agent)}/memories", "memories", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [(row["id"], row["source"], row["author"], row["text"]) for row in answer["memories"]]
    session.out.table(("id", "from", "by", "fact"), rows, empty="It remembers nothing.")


@command(memories, "pin")
def pin_memory(
    session: Session,
    agent: Agent,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The fact, or @FILE.", show_default=False)],
) -> None:
    """Let an agent remember a fact."""
    fact = session.client.post(f"agents/{part(agent)}/memories", {"text": parsing.text_or_file(text)})
    session.out.json(fact) if session.out.as_json else session.out.say(f"It remembers that as {fact['id']}.")


@command(memories, "forget")
def forget_memory(session: Session, agent: Agent, memory_id: MemoryId) -> None:
    """Let an agent forget a fact."""
    session.client.delete(f"agents/{part(agent)}/memories/{memory_id}")
    if not session.out.as_json:
        session.out.say("It is forgotten.")

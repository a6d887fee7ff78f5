"""Documents: uploaded, listed, read, deleted; tasks and conversations name them by id or by file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Limit
from orchestration.cli.session import Session, command, listing
from orchestration.cli.text import ago, number, size

app = typer.Typer()
documents = typer.Typer(name="documents", help="Texts that answers are based on.")
app.add_typer(documents)

UPLOAD_SECONDS = 300.0
Id = Annotated[int, typer.Argument(metavar="ID", help="A document's id.", show_default=False)]


def upload(session: Session, file: Path, name: str | None = None) -> dict[str, Any]:
    data = parsing.read_bytes(file)
    answer: dict[str, Any] = session.client.request(
        "POST",
        "documents",
        files={"file": (name or file.name, data)},
        data=parsing.given(name=name),
        timeout=UPLOAD_SECONDS,
    )
    return answer


def ids_of(session: Session, named: list[str] | None) -> list[int]:
    """A number is an id, anything else a file that is uploaded."""
    return [int(text) if text.isdigit() else int(upload(session, Path(text))["id"]) for text in named or []]


@listing(documents)
def list_documents(
    session: Session,
    text: Annotated[str | None, typer.Option("--text", help="Part of the name.")] = None,
    limit: Limit = LIMIT_DEFAULT,
) -> None:
    """Documents, newest first."""
    answer = session.client.rows("documents", "documents", limit=limit, text=text)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [
        (row["id"], row["name"], size(row["size_bytes"]), number(row["tokens"]), row["owner"], ago(row["created_at"]))
        for row in answer["documents"]
    ]
    session.out.table(("id", "name", "size", "tokens", "owner", "added"), rows, empty="There are no documents.")


@command(documents, "add")
def add_document(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Text, Markdown or PDF.", show_default=False)],
    name: Annotated[str | None, typer.Option("--name", help="Instead of the file's own.")] = None,
) -> None:
    """Upload a document."""
    found = upload(session, file, name)
    words = f"Document {found['name']} has the id {found['id']} and about {number(found['tokens'])} tokens."
    session.out.json(found) if session.out.as_json else session.out.say(words, "green")


@command(documents, "show")
def show_document(session: Session, document_id: Id) -> None:
    """A document's text."""
    found = session.client.get(f"documents/{document_id}")
    session.out.json(found) if session.out.as_json else session.out.output(found["text"])


@command(documents, "delete")
def delete_document(session: Session, document_id: Id) -> None:
    """Delete a document; tasks keep what went into their prompts."""
    session.client.delete(f"documents/{document_id}")
    if not session.out.as_json:
        session.out.say(f"Document {document_id} is deleted.", "green")

"""Outputs: answers searched, read, rated, tagged, taken away; collections of them."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Limit
from orchestration.cli.failures import Misused
from orchestration.cli.outcomes import saved
from orchestration.cli.session import Session, command, listing
from orchestration.cli.text import ago, counted, line, number

Json = dict[str, Any]
app = typer.Typer()
outputs = typer.Typer(name="outputs", help="Every answer: searched, rated, taken away.")
collections = typer.Typer(name="collections", help="Answers put together.")
app.add_typer(outputs)
app.add_typer(collections)

ENDINGS = {".jsonl": "jsonl", ".csv": "csv", ".md": "markdown", ".zip": "zip"}
BEST = 5
Id = Annotated[int, typer.Argument(metavar="TASK", help="The id of its task.", show_default=False)]
Ids = Annotated[list[int], typer.Argument(metavar="TASK...", help="Ids of tasks.", show_default=False)]
Named = Annotated[str, typer.Argument(metavar="COLLECTION", help="Its id or name.", show_default=False)]


@dataclass(frozen=True, slots=True)
class Filters:
    """As in the address of the page; several values with commas between them."""

    model: Annotated[str | None, typer.Option("--model", help="Model that answered.")] = None
    agent: Annotated[str | None, typer.Option("--agent", help="Agent.")] = None
    owner: Annotated[str | None, typer.Option("--owner", help="Who asked.")] = None
    node: Annotated[str | None, typer.Option("--node", help="Node.")] = None
    type: Annotated[str | None, typer.Option("--type", help="Type of task.")] = None
    rating: Annotated[str | None, typer.Option("--rating", help="1 to 5, or none.")] = None
    tag: Annotated[list[str] | None, typer.Option("--tag", help="Tag; repeatable.")] = None
    since: Annotated[str | None, typer.Option("--since", help="Day or time.")] = None
    until: Annotated[str | None, typer.Option("--until", help="Day or time.")] = None
    json: Annotated[str | None, typer.Option("--with-json", help="yes or no.")] = None
    length: Annotated[str | None, typer.Option("--length", help="short, medium, long or longest.")] = None
    collection: Annotated[int | None, typer.Option("--collection", help="Id of a collection.")] = None

    def sent(self) -> Json:
        return {name: value for name, value in asdict(self).items() if value not in (None, [])}


Sort = Annotated[str | None, typer.Option("--sort", help="relevance, newest or rating.")]
Words = Annotated[
    list[str], typer.Argument(metavar="WORDS", help='Words, "a phrase", -not, begin*.', show_default=False)
]


@listing(outputs)
def list_outputs(session: Session, filters: Filters, sort: Sort = None, limit: Limit = LIMIT_DEFAULT) -> None:
    """Answers, newest first."""
    _show(session, filters, "", sort, limit)


@command(outputs, "search", context_settings={"ignore_unknown_options": True})
def search_outputs(
    session: Session, words: Words, filters: Filters, sort: Sort = None, limit: Limit = LIMIT_DEFAULT
) -> None:
    """Answers and prompts with all of these words, the best match first."""
    _show(session, filters, " ".join(words), sort, limit)


def _show(session: Session, filters: Filters, words: str, sort: str | None, limit: int) -> None:
    wanted = {**filters.sent(), **parsing.given(q=words or None, sort=sort)}
    answer = session.client.rows("outputs", "outputs", limit=limit, facets=session.out.as_json, **wanted)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [
        (
            row["id"],
            line(plain(row["title"]), 50),
            line(plain(row["snippet"]), 70) if not row["text_removed_at"] else "(text removed)",
            row["model"],
            row["agent"],
            row["rating"] or "",
            ago(row["ended_at"]),
        )
        for row in answer["outputs"]
    ]
    session.out.table(("task", "prompt", "answer", "model", "agent", "stars", "age"), rows, empty="Nothing matches.")


def plain(parts: list[Json]) -> str:
    return "".join(part["text"] for part in parts)


@command(outputs, "show")
def show_output(session: Session, task_id: Id) -> None:
    """An answer with its facts."""
    found = session.client.get(f"outputs/{task_id}")
    if session.out.as_json:
        session.out.json(found)
        return
    session.out.details(
        {
            "prompt": line(found["prompt"], 200),
            "model": found["model"],
            "node": found["node"],
            "agent": found["agent"],
            "owner": found["owner"],
            "tokens": number(found["output_tokens"]),
            "rating": found["rating"],
            "tags": ", ".join(found["tags"]) or None,
            "note": line(found["note"]) or None,
            "collections": ", ".join(each["name"] for each in found["collections"]) or None,
            "text removed": ago(found["text_removed_at"]) if found["text_removed_at"] else None,
        }
    )
    session.out.output(found["output"])


@command(outputs, "rate")
def rate_output(
    session: Session, task_id: Id, stars: Annotated[int, typer.Argument(min=0, max=BEST, show_default=False)]
) -> None:
    """1 to 5 stars; 0 takes the rating away."""
    _change(session, task_id, rating=stars or None)


@command(outputs, "tag")
def tag_output(
    session: Session,
    task_id: Id,
    tags: Annotated[list[str] | None, typer.Argument(metavar="TAG...", help="All that it is to have.")] = None,
) -> None:
    """Set its tags; none takes them away."""
    _change(session, task_id, tags=tags or [])


@command(outputs, "note")
def note_output(session: Session, task_id: Id, text: Annotated[str, typer.Argument(show_default=False)]) -> None:
    """Keep a note with it."""
    _change(session, task_id, note=text)


def _change(session: Session, task_id: int, **changes: Any) -> None:
    found = session.client.request("PATCH", f"outputs/{task_id}", json=changes)
    session.out.json(found) if session.out.as_json else session.out.say(f"Answer {task_id} is saved.", "green")


@command(outputs, "export", context_settings={"ignore_unknown_options": True})
def export_outputs(
    session: Session,
    filters: Filters,
    words: Annotated[list[str] | None, typer.Argument(metavar="WORDS", help="As for search.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file; else stdout.")] = None,
    kind: Annotated[str | None, typer.Option("--format", help="jsonl, csv, markdown or zip.")] = None,
) -> None:
    """All that match, as a file."""
    wanted = kind or (ENDINGS.get(output.suffix.lower(), "jsonl") if output else "jsonl")
    saved(session, "outputs/export", output, format=wanted, **parsing.given(q=" ".join(words or [])), **filters.sent())


@listing(collections)
def list_collections(session: Session) -> None:
    """Collections, by name."""
    answer = session.client.rows("collections", "collections", limit=10_000)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [(row["id"], row["name"], number(row["outputs"]), row["owner"]) for row in answer["collections"]]
    session.out.table(("id", "name", "answers", "owner"), rows, empty="There are no collections.")


@command(collections, "create")
def create_collection(
    session: Session,
    name: Annotated[str, typer.Argument(show_default=False)],
    task_ids: Annotated[list[int] | None, typer.Argument(metavar="TASK...", help="Answers to begin with.")] = None,
    description: Annotated[str, typer.Option("--description")] = "",
) -> None:
    """Make a collection."""
    body = {"name": name, "description": description, "ids": task_ids or []}
    _tell(session, session.client.post("collections", body))


@command(collections, "add")
def add_to_collection(session: Session, collection: Named, task_ids: Ids) -> None:
    """Put answers into a collection."""
    _tell(session, session.client.post(f"collections/{_id_of(session, collection)}/outputs", {"ids": task_ids}))


@command(collections, "remove")
def remove_from_collection(session: Session, collection: Named, task_ids: Ids) -> None:
    """Take answers out of a collection."""
    path = f"collections/{_id_of(session, collection)}/outputs"
    _tell(session, session.client.request("DELETE", path, params={"ids": ",".join(map(str, task_ids))}))


@command(collections, "delete")
def delete_collection(session: Session, collection: Named) -> None:
    """Delete a collection; its answers stay."""
    session.client.delete(f"collections/{_id_of(session, collection)}")
    if not session.out.as_json:
        session.out.say(f"The collection {collection} is deleted.", "green")


def _id_of(session: Session, named: str) -> int:
    if named.isdigit():
        return int(named)
    rows = session.client.rows("collections", "collections", limit=10_000)["collections"]
    found = next((int(row["id"]) for row in rows if row["name"] == named), None)
    if found is None:
        raise Misused(f"There is no collection {named!r}. drover collections lists them.")
    return found


def _tell(session: Session, row: Json) -> None:
    words = f"The collection {row['name']} (id {row['id']}) has {counted(row['outputs'], 'answer')}."
    session.out.json(row) if session.out.as_json else session.out.say(words, "green")

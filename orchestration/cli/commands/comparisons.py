"""The same prompts on several models: answers beside each other, their figures, votes, files."""

from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Detach, Limit, Options, RunId
from orchestration.cli.failures import Misused
from orchestration.cli.outcomes import finish, progress, saved, submitted, watch_run
from orchestration.cli.session import Session, command, listing
from orchestration.cli.text import ago, line, listed, number, seconds

app = typer.Typer()
comparisons = typer.Typer(name="comparisons", help="Comparisons that were made.")
app.add_typer(comparisons)

Json = dict[str, Any]
Form = Annotated[str, typer.Option("--format", help="markdown, csv or json.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")]
Blind = Annotated[bool, typer.Option("--blind", help="Hide names and figures until you have voted.")]


@command(app, "compare")
def compare(
    session: Session,
    prompts: Annotated[list[str], typer.Argument(metavar="PROMPT...", help="The text, or @FILE.", show_default=False)],
    models: Annotated[
        list[str] | None, typer.Option("--models", help="model or model@node, with commas between them.")
    ] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Whose system prompt; else default.")] = None,
    option: Options = None,
    title: Annotated[str | None, typer.Option("--title", help="What it is to be called.")] = None,
    detach: Detach = False,
) -> None:
    """Put the same prompts to several models and see the answers and figures."""
    columns = [_column(text) for text in parsing.names(models or [])]
    if len(columns) < 2:
        raise Misused("A comparison needs two models or more.", "For instance --models llama3.2,qwen3:8b@gpu-a")
    body = {"prompts": [parsing.text_or_file(text) for text in prompts], "columns": columns} | parsing.given(
        agent_id=agent, parameters=parsing.options(option or []), title=title
    )
    run = session.client.request("POST", "comparisons", body=body, headers={"Idempotency-Key": str(uuid4())})
    if detach:
        submitted(session, run)
        return
    watch_run(session, run["id"])
    found = session.client.get(f"comparisons/{run['id']}")
    if not session.out.as_json:
        _tell_figures(session, found)
    finish(session, found)


def _column(text: str) -> Json:
    model, _, node = text.partition("@")
    return {"model": model.strip()} | parsing.given(node=node.strip() or None)


def _tell_figures(session: Session, found: Json) -> None:
    rows = [_figures(row["row"] + 1, answer) for row in found["rows"] for answer in row["answers"]]
    columns = ("prompt", "model", "node", "status", "first token", "read/s", "written/s", "load", "tokens", "votes")
    session.out.table(columns, rows)


def _figures(row: int, answer: Json) -> tuple[Any, ...]:
    figures = answer["figures"] or {}
    speeds = (number(figures.get("prefill_rate")), number(figures.get("decode_rate")))
    first, load = seconds(figures.get("first_token_seconds")), seconds(figures.get("load_seconds"))
    who = (answer["model"] or answer["label"], answer["node"])
    return (row, *who, answer["status"], first, *speeds, load, number(figures.get("output_tokens")), answer["votes"])


@listing(comparisons)
def list_comparisons(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """Comparisons, newest first."""
    answer = session.client.rows("comparisons", "comparisons", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [
        (row["id"], row["status"], line(row["title"], 48), _models(row), progress(row), ago(row["created_at"]))
        for row in answer["comparisons"]
    ]
    columns = ("id", "status", "title", "models", "answers", "created")
    session.out.table(columns, rows, empty="There are no comparisons.")


def _models(row: Json) -> str:
    return listed(item["model"] + (f"@{item['node']}" if item["node"] else "") for item in row["columns"])


@command(comparisons, "show")
def show_comparison(session: Session, run_id: RunId, blind: Blind = False) -> None:
    """The answers, row by row, and their figures."""
    found = session.client.get(f"comparisons/{run_id}", blind=blind)
    if session.out.as_json:
        session.out.json(found)
        return
    for row in found["rows"]:
        session.out.say(f"══ {row['row'] + 1} {line(row['prompt'], 100)}", "bold")
        for answer in row["answers"]:
            session.out.say(f"── {answer['label']} task {answer['task_id']} {line(answer['model'] or '')}", "bold")
            session.out.output(answer["output"] or answer["error"] or "")
    _tell_figures(session, found)


@command(comparisons, "vote")
def vote(
    session: Session,
    run_id: RunId,
    row: Annotated[int, typer.Argument(metavar="PROMPT", min=1, help="Its number, from 1 on.", show_default=False)],
    task: Annotated[int, typer.Argument(metavar="TASK", help="The task with the best answer.", show_default=False)],
    blind: Blind = False,
) -> None:
    """Vote for the best answer to a prompt."""
    body = {"row": row - 1, "task_id": task, "blind": blind}
    found = session.client.post(f"comparisons/{run_id}/votes", body)
    session.out.json(found) if session.out.as_json else _tell_figures(session, found)


@command(comparisons, "export")
def export_comparison(session: Session, run_id: RunId, form: Form = "markdown", output: Output = None) -> None:
    """A comparison as a file."""
    saved(session, f"comparisons/{run_id}/export", output, format=form)

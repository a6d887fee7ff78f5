"""Batches: a file of rows, looked at, tried or submitted as a whole, and followed."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import (
    LIMIT_DEFAULT,
    Detach,
    Limit,
    Model,
    Options,
    Preset,
    Priority,
    Tags,
    agent_names,
)
from orchestration.cli.outcomes import finish, progress, saved, submitted, watch_run
from orchestration.cli.session import Session, command
from orchestration.cli.text import ago, line, number, seconds

app = typer.Typer()

Json = dict[str, Any]
UPLOAD_SECONDS = 300.0

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="CSV, JSON, JSON lines or a prompt a line; - is stdin.", show_default=False),
]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a batch is to be like; None was not given."""

    agent: Annotated[str | None, typer.Option(help="Id or name; else default.", autocompletion=agent_names)] = None
    template: Annotated[str | None, typer.Option(help="The prompt with {{column}} in it, or @FILE.")] = None
    system: Annotated[str | None, typer.Option(help="The same for the system prompt.")] = None
    prompt_column: Annotated[str | None, typer.Option(help="Instead of a template.")] = None
    kind: Annotated[str | None, typer.Option("--type", help="generate, chat or embed.")] = None
    form: Annotated[str | None, typer.Option("--format", help="csv, json, jsonl or list; found if left out.")] = None
    title: Annotated[str | None, typer.Option(help="What it is to be called.")] = None
    model: Model = None
    preset: Preset = None
    option: Options = None
    priority: Priority = None
    tag: Tags = None
    max_parallel: Annotated[int | None, typer.Option(min=1, help="Rows at once.")] = None
    stop_failed_percent: Annotated[
        float | None, typer.Option(min=0, max=100, help="Cancel the rest when more than that fail.")
    ] = None
    skip_done: Annotated[bool, typer.Option("--skip-done", help="Leave out rows that completed before.")] = False
    wait_for_models: Annotated[bool, typer.Option("--wait-for-models", help="Even if no node has them yet.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only the first five rows.")] = False

    def fields(self) -> Json:
        """What was given, in the API's shape."""
        return parsing.given(
            agent_id=self.agent,
            template=parsing.text_or_file(self.template),
            system=parsing.text_or_file(self.system),
            columns=parsing.given(prompt=self.prompt_column),
            type=self.kind,
            format=self.form,
            title=self.title,
            model_name=self.model,
            preset=self.preset,
            parameters=parsing.options(self.option or []),
            priority=parsing.priority(self.priority),
            tags=parsing.names(self.tag or []),
            max_parallel=self.max_parallel,
            stop_failed_percent=self.stop_failed_percent,
            skip_done=self.skip_done or None,
            allow_missing_models=self.wait_for_models or None,
            dry_run=self.dry_run or None,
        )


@command(app, "batch")
def batch(
    session: Session,
    file: File,
    wishes: Wishes,
    preview: Annotated[bool, typer.Option("--preview", help="Only look: checks every row, submits nothing.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Results go there: .jsonl, .csv, .npy.")] = None,
    detach: Detach = False,
) -> None:
    """Run a prompt for each row of a file and follow it to the end."""
    asked = wishes.fields()
    if preview:
        _tell_preview(session, _send(session, "batches/preview", file, asked))
        return
    run = _send(session, "batches", file, asked)
    if detach:
        submitted(session, run)
        return
    _follow(session, run["id"], output)


def _send(session: Session, path: str, file: Path, asked: Json) -> Json:
    name, data = ("stdin", sys.stdin.buffer.read()) if str(file) == "-" else (file.name, parsing.read_bytes(file))
    answer: Json = session.client.request(
        "POST",
        path,
        headers={"Idempotency-Key": str(uuid4())},
        files={"file": (name, data)},
        data={"batch": json.dumps(asked)},
        timeout=UPLOAD_SECONDS,
    )
    return answer


def _follow(session: Session, run_id: int, output: Path | None) -> None:
    watch_run(session, run_id)
    ended = session.client.get(f"batches/{run_id}")
    if output is not None:
        saved(session, f"runs/{run_id}/export", output, format=output.suffix.lstrip(".").lower() or "jsonl")
    if not session.out.as_json and ended["failures"]:
        rows = [(item["rows"], item["code"], line(item["example"], 120)) for item in ended["failures"]]
        session.out.table(("failed", "code", "for instance"), rows)
    finish(session, ended)


def _tell_preview(session: Session, found: Json) -> None:
    if session.out.as_json:
        session.out.json(found)
        return
    estimate = found["estimate"]
    session.out.details(
        {
            "rows": number(found["rows"]),
            "calls": number(found["calls"]),
            "format": found["format"],
            "columns": ", ".join(f"{{{{{column['placeholder']}}}}}" for column in found["columns"]),
            "done before": number(found["done"]["rows"]) if found["done"]["rows"] else None,
            "will take": seconds(estimate["seconds"]),
            "based on": line(estimate["words"]),
        }
    )
    for sample in found["samples"]:
        session.out.say(f"── row {sample['number']}", "bold")
        session.out.output(sample["prompt"])
    for words in found["warnings"]:
        session.out.warn(words)


@command(app, "batches")
def list_batches(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """Batches, newest first."""
    answer = session.client.rows("batches", "batches", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [
        (
            row["id"],
            row["status"],
            line(row["title"], 40),
            row["agent"],
            progress(row),
            _left(row),
            ago(row["created_at"]),
        )
        for row in answer["batches"]
    ]
    columns = ("id", "status", "title", "agent", "rows", "left", "created")
    session.out.table(columns, rows, empty="There are no batches.")


def _left(row: Json) -> str:
    return seconds(row["eta"]["seconds"]) if row["eta"] else ""

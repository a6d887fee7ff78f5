"""Benchmarks: speeds of models on nodes, measured, listed, repeated, exported."""

from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Detach, Limit, RunId
from orchestration.cli.failures import Misused
from orchestration.cli.outcomes import finish, progress, saved, submitted, watch_run
from orchestration.cli.session import Session, command, listing
from orchestration.cli.text import ago, line, listed, number, seconds

app = typer.Typer()
benchmarks = typer.Typer(name="benchmarks", help="Benchmarks that were made.")
app.add_typer(benchmarks)

Json = dict[str, Any]
Form = Annotated[str, typer.Option("--format", help="markdown, csv or json.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")]
Names = list[str] | None


@command(app, "bench")
def bench(
    session: Session,
    models: Annotated[Names, typer.Option("--models", help="With commas between them.")] = None,
    nodes: Annotated[Names, typer.Option("--nodes", help="Else all that have a model.")] = None,
    prompt_set: Annotated[str | None, typer.Option("--prompt-set", help="One that Drover brings along.")] = None,
    prompt: Annotated[Names, typer.Option("--prompt", help="Own text, or @FILE, not a set. Repeatable.")] = None,
    concurrency: Annotated[Names, typer.Option("--concurrency", help="How many at once, such as 1,2,4.")] = None,
    repeats: Annotated[int | None, typer.Option("--repeats", min=1, help="For the spread.")] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="How often in a row each asks.")] = None,
    num_predict: Annotated[int | None, typer.Option("--num-predict", min=1, help="Tokens of an answer.")] = None,
    num_ctx: Annotated[int | None, typer.Option("--num-ctx", min=1, help="Context size.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="What it is to be called.")] = None,
    detach: Detach = False,
) -> None:
    """Measure the speeds of models on nodes; warm-up left out, load time apart."""
    if not models:
        raise Misused("There are no models.", "For instance --models llama3.2,qwen3:8b")
    body = parsing.given(
        models=parsing.names(models),
        nodes=parsing.names(nodes or []),
        prompt_set=prompt_set,
        prompts=[parsing.text_or_file(text) for text in prompt or []],
        concurrency=parsing.whole_numbers(concurrency or [], "--concurrency"),
        repeats=repeats,
        rounds=rounds,
        num_predict=num_predict,
        num_ctx=num_ctx,
        title=title,
    )
    run = session.client.request("POST", "benchmarks", body=body, headers={"Idempotency-Key": str(uuid4())})
    _accompany(session, run, detach)


def _accompany(session: Session, run: Json, detach: bool) -> None:
    if detach:
        submitted(session, run)
        return
    watch_run(session, run["id"], outputs=False)
    found = session.client.get(f"benchmarks/{run['id']}")
    if not session.out.as_json:
        _tell(session, found)
    finish(session, found)


@listing(benchmarks)
def list_benchmarks(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """Benchmarks, newest first."""
    answer = session.client.rows("benchmarks", "benchmarks", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    columns = ("id", "status", "title", "models", "nodes", "requests", "best tokens/s", "slower", "created")
    session.out.table(columns, map(_row, answer["benchmarks"]), empty="There are no benchmarks.")


def _row(row: Json) -> tuple[Any, ...]:
    figures = (progress(row), number(row["best_rate"]), row["regressions"])
    names = (line(row["title"], 40), listed(row["models"]), listed(row["nodes"]))
    return (row["id"], row["status"], *names, *figures, ago(row["created_at"]))


@command(benchmarks, "show")
def show_benchmark(session: Session, run_id: RunId) -> None:
    """The figures of a benchmark, and what changed since the last one of its kind."""
    found = session.client.get(f"benchmarks/{run_id}")
    session.out.json(found) if session.out.as_json else _tell(session, found)


@command(benchmarks, "again")
def repeat_benchmark(session: Session, run_id: RunId, detach: Detach = False) -> None:
    """The same benchmark once more, compared with the last one."""
    _accompany(session, session.client.post(f"benchmarks/{run_id}/again"), detach)


@command(benchmarks, "export")
def export_benchmark(session: Session, run_id: RunId, form: Form = "markdown", output: Output = None) -> None:
    """A benchmark as a file."""
    saved(session, f"benchmarks/{run_id}/export", output, format=form)


def _tell(session: Session, found: Json) -> None:
    report = found["report"]
    columns = ("model", "node", "prompt", "at once", "first token", "read/s", "written/s", "all/s", "errors")
    session.out.table(columns, map(_cell, report["cells"]), empty="Nothing has been measured yet.")
    loads = [(load["model"], load["node"], _load(load)) for load in report["loads"]]
    session.out.table(("model", "node", "load"), loads, empty="")
    worse = [drift for drift in report["drifts"] if drift["regressed"]]
    for drift in worse:
        session.out.warn(
            f"{drift['model']} on {drift['node']}, {drift['prompt']} x{drift['concurrency']}: "
            f"{drift['figure']} {drift['percent']:+.1f} % since benchmark {report['compared_with']}"
        )
    for words in [*report["remarks"], *found["spec"]["left_out"]]:
        session.out.note(words)


def _cell(cell: Json) -> tuple[Any, ...]:
    def median(name: str) -> float | None:
        return cell[name]["median"] if cell[name] else None

    speeds = [number(median(name)) for name in ("prefill_rate", "decode_rate", "total_rate")]
    first = median("first_token_seconds")
    told = "" if first is None else f"{first:.3f} s"
    return (cell["model"], cell["node"], cell["prompt"], cell["concurrency"], told, *speeds, cell["errors"])


def _load(load: Json) -> str:
    return "was loaded already" if load["was_loaded"] else seconds(load["seconds"])

"""Runs: listed, shown, exported; paused and resumed, as priorities, agents and models are."""

from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Detach, Limit, RunId
from orchestration.cli.client import part
from orchestration.cli.failures import Misused
from orchestration.cli.outcomes import accompany, progress, saved
from orchestration.cli.session import Session, command
from orchestration.cli.text import ago, line, plain
from orchestration.cli.views import Lines

app = typer.Typer()

OptionalRun = Annotated[int | None, typer.Argument(metavar="[RUN]", help="A run's id.", show_default=False)]
OfAgent = Annotated[str | None, typer.Option("--agent", help="An agent instead of a run.")]
OfModel = Annotated[str | None, typer.Option("--model", help="A model instead of a run.")]
OfPriority = Annotated[str | None, typer.Option("--priority", help="A priority instead of a run: high, normal or low.")]


@command(app, "runs")
def list_runs(
    session: Session,
    kind: Annotated[str | None, typer.Option("--kind", help="single, batch, sequence, workflow, …")] = None,
    limit: Limit = LIMIT_DEFAULT,
) -> None:
    """What was submitted together, newest first."""
    answer = session.client.rows("runs", "runs", limit=limit, kind=kind)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [
        (run["id"], run["status"], run["kind"], run["agent"], progress(run), run["owner"], ago(run["created_at"]))
        for run in answer["runs"]
    ]
    session.out.table(("id", "status", "kind", "agent", "tasks", "owner", "created"), rows, empty="There are no runs.")


@command(app, "run")
def show_run(session: Session, run_id: RunId) -> None:
    """One run with its outputs so far."""
    run = session.client.get(f"runs/{run_id}")
    if session.out.as_json:
        session.out.json(run)
        return
    session.out.details(
        {
            "id": run["id"],
            "kind": run["kind"],
            "title": line(run.get("title") or ""),
            "status": run["status"],
            "agent": run["agent"],
            "owner": run["owner"],
            "tasks": progress(run),
            "stopped": plain(run.get("stopped_reason") or ""),
            "created": ago(run["created_at"]),
        }
    )
    Lines(session.out).look(run, run.get("tasks") or [], {})


@command(app, "export")
def export(
    session: Session,
    run_id: RunId,
    form: Annotated[str, typer.Option("--format", help="jsonl, csv, or npy for embeddings.")] = "jsonl",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file instead of stdout.")] = None,
) -> None:
    """The results of a run so far."""
    saved(session, f"runs/{run_id}/export", output, format=form)


@command(app, "limits")
def limits(
    session: Session,
    run_id: RunId,
    max_parallel: Annotated[int | None, typer.Option("--max-parallel", min=1, help="Tasks at once.")] = None,
    stop_failed_percent: Annotated[
        float | None, typer.Option("--stop-failed-percent", min=0, max=100, help="End it when more than that fail.")
    ] = None,
) -> None:
    """Change the limits of a run while it runs."""
    changes = parsing.given(max_parallel=max_parallel, stop_failed_percent=stop_failed_percent)
    if not changes:
        raise Misused("There is nothing to change.", "See: drover limits --help")
    run = session.client.request("PATCH", f"runs/{run_id}", body=changes)
    session.out.json(run) if session.out.as_json else session.out.say(f"Run {run_id} has its new limits.")


@command(app, "rerun")
def rerun(
    session: Session,
    run_id: RunId,
    step: Annotated[str, typer.Option("--from", help="A step's name, or its number from 1 on.", show_default=False)],
    detach: Detach = False,
) -> None:
    """A new run from one of the steps on; what stands before it is taken over."""
    accompany(session, session.client.post(f"runs/{run_id}/rerun", {"step": step}), detach=detach)


@command(app, "pause")
def pause(
    session: Session,
    run_id: OptionalRun = None,
    agent: OfAgent = None,
    model: OfModel = None,
    priority: OfPriority = None,
    note: Annotated[str | None, typer.Option("--note", help="Why, for those who wait.")] = None,
) -> None:
    """Start nothing new of a run, an agent, a model or a priority; what runs goes on."""
    kind, key = _what(run_id, agent, model, priority)
    if kind == "run":
        answer = session.client.post(f"runs/{key}/pause")
    else:
        answer = session.client.post("pauses", {"kind": kind, "key": key, "note": note or ""})
    session.out.json(answer) if session.out.as_json else session.out.say(f"{kind.title()} {key} is paused.")


@command(app, "resume")
def resume(
    session: Session,
    run_id: OptionalRun = None,
    agent: OfAgent = None,
    model: OfModel = None,
    priority: OfPriority = None,
) -> None:
    """Let what was paused go on."""
    kind, key = _what(run_id, agent, model, priority)
    if kind == "run":
        answer = session.client.post(f"runs/{key}/resume")
        if session.out.as_json:
            session.out.json(answer)
    else:
        session.client.delete(f"pauses/{kind}/{part(key)}")
    if not session.out.as_json:
        session.out.say(f"{kind.title()} {key} goes on.")


@command(app, "pauses")
def list_pauses(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """Priorities, agents and models that start nothing new."""
    answer = session.client.rows("pauses", "pauses", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [[item.get(name) for name in ("kind", "name", "paused_by", "note")] for item in answer["pauses"]]
    session.out.table(("kind", "what", "by", "note"), rows, empty="Nothing is paused.")


def _what(run_id: int | None, agent: str | None, model: str | None, priority: str | None) -> tuple[str, str]:
    named = {"run": run_id, "agent": agent, "model": model, "priority": priority}
    found = [(kind, str(key)) for kind, key in named.items() if key is not None]
    if len(found) != 1:
        raise Misused("Name one thing: a run's id, or --agent, --model or --priority.")
    return found[0]

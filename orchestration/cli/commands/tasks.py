"""Tasks: submitted, listed, shown, watched; and what ends or repeats tasks and runs."""

from typing import Annotated, Any
from uuid import uuid4

import typer

from orchestration.cli import parsing
from orchestration.cli.arguments import (
    LIMIT_DEFAULT,
    Agent,
    Detach,
    Documents,
    Ids,
    KeepOn,
    Limit,
    Model,
    OfRuns,
    Options,
    Preset,
    Priority,
    Tags,
)
from orchestration.cli.commands.documents import ids_of
from orchestration.cli.failures import Misused, WorkFailed
from orchestration.cli.outcomes import accompany, finish, finish_task, watch_run
from orchestration.cli.session import Session, command
from orchestration.cli.streaming import stream_task
from orchestration.cli.text import ago, counted, line, listed, number, plain, seconds
from orchestration.cli.views import summary, vectors_in_words

app = typer.Typer()

Tasks = Annotated[
    list[str] | None,
    typer.Option("--tasks", help='"type:prompt", split at the first colon only. Repeatable.', show_default=False),
]


@command(app, "run-tasks")
def run_tasks(
    session: Session,
    agent: Agent,
    tasks: Tasks = None,
    sequential: Annotated[bool, typer.Option("--sequential", help="One after another.")] = False,
    continue_on_error: KeepOn = False,
    model: Model = None,
    preset: Preset = None,
    option: Options = None,
    priority: Priority = None,
    tag: Tags = None,
    document: Documents = None,
    wait_for_models: Annotated[bool, typer.Option("--wait-for-models", help="Even if no node has them yet.")] = False,
    detach: Detach = False,
) -> None:
    """Run tasks with an agent and follow them to their end."""
    if not tasks:
        raise Misused("There are no tasks.", 'Name them: --tasks "generate:Say hello." --tasks "chat:And now?"')
    made = [parsing.task(text) for text in tasks]
    shared = parsing.given(model_name=model, document_ids=ids_of(session, document))
    body = {"agent_id": agent, "sequential": sequential} | parsing.given(
        tasks=[task | shared for task in made],
        continue_on_error=continue_on_error or None,
        allow_missing_models=wait_for_models or None,
        preset=preset,
        parameters=parsing.options(option or []),
        priority=parsing.priority(priority),
        tags=parsing.names(tag or []),
    )
    run = session.client.request("POST", "tasks", body=body, headers={"Idempotency-Key": str(uuid4())})
    accompany(session, run, detach=detach)


def _filter(name: str, words: str) -> Any:
    return typer.Option(f"--{name}", help=f"{words} Commas for several.")


@command(app, "tasks")
def list_tasks(
    session: Session,
    status: Annotated[str | None, _filter("status", "pending, running, completed, failed, cancelled.")] = None,
    agent: Annotated[str | None, _filter("agent", "Of these agents.")] = None,
    model: Annotated[str | None, _filter("model", "With these models.")] = None,
    node: Annotated[str | None, _filter("node", "On these nodes.")] = None,
    owner: Annotated[str | None, _filter("owner", "Of these people.")] = None,
    kind: Annotated[str | None, _filter("type", "generate, chat, embed and the like.")] = None,
    tag: Annotated[str | None, _filter("tag", "With these tags.")] = None,
    run: Annotated[str | None, _filter("run", "Of these runs.")] = None,
    text: Annotated[str | None, typer.Option("--text", help="With this text in them.")] = None,
    limit: Limit = LIMIT_DEFAULT,
) -> None:
    """Tasks, newest first."""
    filters = {"status": status, "agent": agent, "model": model, "node": node, "owner": owner, "type": kind}
    answer = session.client.rows("tasks", "tasks", limit=limit, **filters, tag=tag, run=run, text=text)
    if session.out.as_json:
        session.out.json(answer)
        return
    columns = ("id", "status", "type", "agent", "model", "node", "title", "tokens", "took", "created")
    session.out.table(columns, map(_row, answer["tasks"]), empty="There are no such tasks.")


def _row(task: dict[str, Any]) -> tuple[Any, ...]:
    shown = ("id", "status", "type", "agent", "model", "node")
    title = line(task["title"], 48)
    tokens, took = number(task["output_tokens"]), seconds(task["duration_seconds"])
    return (*(task[name] for name in shown), title, tokens, took, ago(task["created_at"]))


@command(app, "task")
def show_task(
    session: Session,
    task_id: Annotated[int, typer.Argument(metavar="ID", help="A task's id.", show_default=False)],
) -> None:
    """One task with its output."""
    task = session.client.get(f"tasks/{task_id}")
    if session.out.as_json:
        session.out.json(task)
        return
    session.out.details(_in_words(task))
    if isinstance(task["output"], str) and task["output"]:
        session.out.say("output:", "bold")
        session.out.output(task["output"])
    elif task["output"]:
        session.out.say(vectors_in_words(task["output"]))


def _in_words(task: dict[str, Any]) -> dict[str, Any]:
    asked = task["input"]
    return {
        "id": task["id"],
        "run": task["run_id"],
        "status": task["status"],
        "summary": summary(task),
        "agent": task["agent"],
        "type": task["type"],
        "tags": listed(task["tags"]),
        "waits": task["waiting_reason"],
        "why there": task["decision_reason"],
        "tries": task["attempts"],
        "skipped": task.get("skipped_because"),
        "error": task["error"],
        "created": ago(task["created_at"]),
        "input": plain(asked if isinstance(asked, str) else _messages(asked or [])),
    }


def _messages(items: list[Any]) -> str:
    """Messages of a chat with who said them, or the texts of an embedding."""
    return "\n".join(f"{item['role']}: {item['content']}" if isinstance(item, dict) else str(item) for item in items)


@command(app, "watch")
def watch(session: Session, ids: Ids, of_runs: OfRuns = False) -> None:
    """Follow a task's text, or with --run a run, to the end."""
    for work_id in ids:
        if of_runs:
            finish(session, watch_run(session, work_id))
            continue
        task = stream_task(session.client, session.out, work_id)
        if not session.out.as_json:
            session.out.note(summary(task))
        finish_task(session, task)


@command(app, "cancel")
def cancel(session: Session, ids: Ids, of_runs: OfRuns = False) -> None:
    """Cancel tasks, or with --run whatever has not ended of runs."""
    for work_id in ids:
        answer = session.client.post(f"{'runs' if of_runs else 'tasks'}/{work_id}/cancel")
        if session.out.as_json:
            session.out.json(answer)
        elif of_runs:
            session.out.say(f"Run {work_id}: {counted(answer['cancelled'], 'task')} cancelled.")
        else:
            session.out.say(f"Task {work_id} is {line(answer['state'])}.")


@command(app, "retry")
def retry(session: Session, ids: Ids, of_runs: OfRuns = False, detach: Detach = False) -> None:
    """Try failed or cancelled tasks again, or with --run what failed of runs, and follow them."""
    ended = []
    for work_id in ids:
        answer = session.client.post(f"{'runs' if of_runs else 'tasks'}/{work_id}/retry")
        if detach:
            session.out.json(answer) if session.out.as_json else session.out.say(f"{work_id} is tried again.")
        else:
            ended.append(_followed(session, work_id, of_runs))
    if not all(ended):
        raise WorkFailed("Not all of it completed.")


def _followed(session: Session, work_id: int, of_runs: bool) -> bool:
    try:
        watch(session, [work_id], of_runs)
    except WorkFailed as failure:
        session.out.failure(failure)
        return False
    return True

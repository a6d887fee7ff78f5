"""Workflows: run as they come or as they were saved; listed, shown, applied from files, restored, deleted."""

from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer
import yaml

from orchestration.cli import parsing
from orchestration.cli.arguments import LIMIT_DEFAULT, Detach, KeepOn, Limit, Model, agent_names
from orchestration.cli.client import part
from orchestration.cli.failures import Misused, Refused
from orchestration.cli.outcomes import finish, submitted, watch_run
from orchestration.cli.session import Session, command, listing
from orchestration.cli.text import ago, line

app = typer.Typer()
workflows = typer.Typer(name="workflows", help="Saved workflows and their versions.")
app.add_typer(workflows)

Json = dict[str, Any]
YAML = "application/yaml"
DEFINITIONS = "workflows/definitions"

Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its id or name.", show_default=False)]
Version = Annotated[int, typer.Argument(metavar="VERSION", help="A version's number.", show_default=False)]
OptionalAgent = Annotated[
    str | None,
    typer.Argument(metavar="[AGENT]", help="An agent's id or name.", autocompletion=agent_names, show_default=False),
]
Steps = Annotated[
    list[str] | None,
    typer.Option(
        "--steps", help='"name:type:prompt {{an earlier name}}", split at the first two colons. Repeatable.',
        show_default=False,
    ),
]  # fmt: skip
Inputs = Annotated[
    list[str] | None, typer.Option("--input", help="name=value for {{input.name}}; @FILE reads it. Repeatable.")
]


@command(app, "run-workflow")
def run_workflow(
    session: Session,
    agent: OptionalAgent = None,
    steps: Steps = None,
    definition: Annotated[str | None, typer.Option("--definition", help="A saved workflow, not --steps.")] = None,
    version: Annotated[int | None, typer.Option("--version", min=1, help="Of the saved one; else the newest.")] = None,
    inputs: Inputs = None,
    model: Model = None,
    name: Annotated[str | None, typer.Option("--name", help="What the run is to be called.")] = None,
    continue_on_error: KeepOn = False,
    wait_for_models: Annotated[bool, typer.Option("--wait-for-models", help="Even if no node has them yet.")] = False,
    detach: Detach = False,
) -> None:
    """Run steps that use each other's outputs, and follow them to their end."""
    if bool(steps) == bool(definition):
        raise Misused("Name the steps or a saved workflow.", 'For instance --steps "plan:generate:Plan a page."')
    if definition and (model or name or continue_on_error):
        raise Misused("--model, --name and --continue-on-error are for --steps; a saved workflow says that itself.")
    asked = parsing.given(agent_id=agent, inputs=_inputs(inputs), allow_missing_models=wait_for_models or None)
    if definition:
        path, body = f"{DEFINITIONS}/{part(definition)}/run", asked | parsing.given(version=version)
    else:
        made = [parsing.step(text) | parsing.given(model_name=model) for text in steps or []]
        path, body = (
            "workflows",
            asked | parsing.given(steps=made, name=name, continue_on_error=continue_on_error or None),
        )
    _run(session, path, body, detach)


def _run(session: Session, path: str, body: Json, detach: bool) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    run = session.client.request("POST", path, body=body, headers=headers)
    if detach:
        submitted(session, run)
        return
    ended = watch_run(session, run["id"])
    if session.out.as_json:  # the same request once more is answered with how its run ended
        ended = session.client.request("POST", path, body=body, headers=headers)
    finish(session, ended)


def _inputs(texts: list[str] | None) -> Json:
    """Files are taken as text, other values as JSON where they are."""
    given = parsing.pairs(texts or [], "--input")
    return {
        name: parsing.text_or_file(value) if value.startswith("@") else parsing.value(value)
        for name, value in given.items()
    }


@listing(workflows)
def list_workflows(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """Saved workflows."""
    answer = session.client.rows(DEFINITIONS, "workflows", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [
        (row["id"], row["name"], row["version"], line(row["description"], 60), row["owner"], ago(row["updated_at"]))
        for row in answer["workflows"]
    ]
    columns = ("id", "name", "version", "description", "owner", "changed")
    session.out.table(columns, rows, empty="There are no saved workflows.")


@command(workflows, "show")
def show_workflow(
    session: Session,
    workflow: Workflow,
    version: Annotated[int | None, typer.Option("--version", min=1, help="An earlier version.")] = None,
) -> None:
    """A saved workflow as YAML, as apply takes it."""
    path = f"{DEFINITIONS}/{part(workflow)}" + (f"/versions/{version}" if version else "")
    if session.out.as_json:
        session.out.json(session.client.get(path))
        return
    with session.client.download(path, format="yaml") as pieces:
        session.out.output(b"".join(pieces).decode())


@command(workflows, "apply")
def apply_workflow(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML or JSON.", show_default=False)],
    note: Annotated[str | None, typer.Option("--note", help="What this version changes.")] = None,
) -> None:
    """Save a workflow from a file: a new one, or the next version of the one with its name."""
    text = parsing.read_text(file)
    name = _name_in(file, text)
    request: Json = {"content": text.encode(), "headers": {"Content-Type": YAML}, "params": {"note": note}}
    try:
        answer = session.client.request("PUT", f"{DEFINITIONS}/{part(name)}", **request)
    except Refused as refusal:
        if refusal.code != "not_found":
            raise _with_problems(refusal) from refusal
        try:
            answer = session.client.request("POST", DEFINITIONS, **request)
        except Refused as second:
            raise _with_problems(second) from second
    if session.out.as_json:
        session.out.json(answer)
        return
    session.out.say(f"Workflow {answer['name']} is saved as version {answer['version']}.", "green")


def _name_in(file: Path, text: str) -> str:
    """The workflow's name; what else is wrong with the file is the server's to say."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Misused(f"{file} is not valid YAML: {line(error)}") from error
    name = data.get("name") if isinstance(data, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise Misused(f"{file} does not say the workflow's name.", "Write it at the top: name: review")
    return name.strip()


def _with_problems(refusal: Refused) -> Refused:
    """Every problem on a line of its own."""
    problems = [item for item in refusal.detail.get("problems") or [] if isinstance(item, dict)]
    words = [": ".join(str(item[key]) for key in ("step", "message") if item.get(key)) for item in problems]
    return Refused(refusal.message, refusal.hint or "\n".join(words), payload=refusal.payload)


@command(workflows, "versions")
def list_versions(session: Session, workflow: Workflow, limit: Limit = LIMIT_DEFAULT) -> None:
    """Versions of a workflow, newest first."""
    answer = session.client.rows(f"{DEFINITIONS}/{part(workflow)}/versions", "versions", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [(row["version"], row["author"], ago(row["created_at"]), row["note"]) for row in answer["versions"]]
    session.out.table(("version", "by", "saved", "note"), rows)


@command(workflows, "diff")
def compare_versions(
    session: Session,
    workflow: Workflow,
    before: Version,
    after: Version,
) -> None:
    """What differs between two versions."""
    answer = session.client.get(f"{DEFINITIONS}/{part(workflow)}/diff", **{"from": before, "to": after})
    if session.out.as_json:
        session.out.json(answer)
    else:
        session.out.output(answer["diff"] or "They are the same.")


@command(workflows, "restore")
def restore_version(session: Session, workflow: Workflow, version: Version) -> None:
    """Make an earlier version the newest one again."""
    answer = session.client.post(f"{DEFINITIONS}/{part(workflow)}/versions/{version}/restore")
    words = f"Version {version} of {answer['name']} is back, as version {answer['version']}."
    session.out.json(answer) if session.out.as_json else session.out.say(words, "green")


@command(workflows, "delete")
def delete_workflow(session: Session, workflow: Workflow) -> None:
    """Delete a saved workflow with its versions; its runs stay."""
    session.client.delete(f"{DEFINITIONS}/{part(workflow)}")
    if not session.out.as_json:
        session.out.say(f"Workflow {workflow} is deleted.", "green")

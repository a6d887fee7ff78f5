"""Arguments and options that several commands take, and what the shell completes in them."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from orchestration.cli import configuration
from orchestration.cli.client import Client
from orchestration.cli.failures import Failure
from orchestration.cli.text import line

LIMIT_DEFAULT = 50


def agent_names(context: typer.Context) -> Iterator[tuple[str, str]]:
    """For the shell's completion: nothing where no Drover answers."""
    try:
        agents = _agents(Client(configuration.resolve()))
    except Failure:
        return
    for agent in agents:
        yield line(agent["name"]), line(agent["description"], 60)


def _agents(client: Client) -> Any:
    try:
        return client.request("GET", "agents", params={"limit": 200}, timeout=2.0)["agents"]
    finally:
        client.close()


Agent = Annotated[
    str, typer.Argument(metavar="AGENT", help="An agent's id or name.", autocompletion=agent_names, show_default=False)
]
Ids = Annotated[
    list[int], typer.Argument(metavar="ID...", help="Ids of tasks, with --run of runs.", show_default=False)
]
RunId = Annotated[int, typer.Argument(metavar="RUN", help="A run's id.", show_default=False)]
OfRuns = Annotated[bool, typer.Option("--run", help="The ids are those of runs.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=100_000, help="Most rows.")]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Do not wait for the end.")]
Model = Annotated[str | None, typer.Option("--model", help="This model, not the agent's choice.")]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", help="An Ollama option as name=value, such as temperature=0.2. Repeatable."),
]
Preset = Annotated[str | None, typer.Option("--preset", help='Of options: the name of a preset; "" is none.')]
Priority = Annotated[str | None, typer.Option("--priority", help="high, normal or low.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="Repeatable; commas too.")]
Documents = Annotated[
    list[str] | None, typer.Option("--document", help="A document's id, or a file that is uploaded. Repeatable.")
]
KeepOn = Annotated[bool, typer.Option("--continue-on-error", help="A failed step does not end those after it.")]

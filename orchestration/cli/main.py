"""The command as a whole: all commands under ``drover`` and again under ``drover orchestrate``."""

import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

from orchestration.cli.commands import (
    access,
    agents,
    batches,
    benchmarks,
    comparisons,
    conversations,
    documents,
    fleet,
    history,
    manners,
    model_actions,
    models,
    nodes,
    outputs,
    retention,
    runs,
    statistics,
    status,
    tasks,
    transfer,
    workflows,
)
from orchestration.cli.session import ApiKey, AsJson, Flags, Url

EPILOG = (
    "Exit status: 0 done, 1 the work failed or was cancelled, 2 misused, 3 no connection or no access, "
    "4 refused by Drover, 130 interrupted."
)
NOUNS = (
    agents,
    tasks,
    workflows,
    batches,
    runs,
    conversations,
    documents,
    outputs,
    comparisons,
    benchmarks,
    retention,
    statistics,
    nodes,
    fleet,
    manners,
    history,
    model_actions,
    models,
    status,
    transfer,
    access,
)

app = typer.Typer(
    name="drover",
    help="Work with a herd of Ollama servers.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
orchestrate = typer.Typer(name="orchestrate", help="The same commands once more: drover orchestrate CMD is drover CMD.")


@app.callback()
def flags(context: typer.Context, url: Url = None, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """Work with a herd of Ollama servers."""
    context.obj = Flags().under(url, api_key, as_json)


for noun in NOUNS:
    app.add_typer(noun.app)
    orchestrate.add_typer(noun.app)
app.add_typer(orchestrate)


def commands() -> list[str]:
    """The names of all commands, those of groups with the name of their group before them."""
    return sorted(_names(get_command(app), ()))


def _names(group: Any, path: tuple[str, ...]) -> Iterator[str]:
    for name, found in getattr(group, "commands", {}).items():
        if not path and name == orchestrate.info.name:
            continue
        yield " ".join((*path, name))
        yield from _names(found, (*path, name))


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()

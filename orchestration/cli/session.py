"""What every command has in hand: flags that all share, the client, the printer; and how its failure is told."""

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from orchestration.cli import configuration
from orchestration.cli.client import Client
from orchestration.cli.failures import INTERRUPTED, OK, Failure
from orchestration.cli.printing import Printer

F = TypeVar("F", bound=Callable[..., None])
PANEL = "Every command"

Url = Annotated[str | None, typer.Option("--url", help="Where Drover is [DROVER_URL].", rich_help_panel=PANEL)]
ApiKey = Annotated[str | None, typer.Option("--api-key", help="Who you are [DROVER_API_KEY].", rich_help_panel=PANEL)]
AsJson = Annotated[bool, typer.Option("--json", help="The API's answer, for scripts.", rich_help_panel=PANEL)]


@dataclass(frozen=True, slots=True)
class Flags:
    """Given before or after the command's name; the innermost wins."""

    url: str = ""
    api_key: str = ""
    as_json: bool = False

    def under(self, url: str | None, api_key: str | None, as_json: bool) -> "Flags":
        return Flags(url or self.url, api_key or self.api_key, as_json or self.as_json)


class Session:
    """Connects when something is asked of Drover, not before."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.out = Printer(as_json=flags.as_json)

    @cached_property
    def settings(self) -> configuration.Settings:
        path = configuration.file_path()
        if configuration.readable_by_others(path):
            self.out.note(f"Other people of this machine can read the key in {path}: chmod 600 {path}")
        return configuration.resolve(self.flags.url, self.flags.api_key)

    @cached_property
    def client(self) -> Client:
        return Client(self.settings)

    def at(self, url: str, api_key: str) -> "Session":
        return Session(replace(self.flags, url=url, api_key=api_key))

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()


def command(app: typer.Typer, name: str, **settings: Any) -> Callable[[F], F]:
    """Registers a function that takes a Session first; the flags of every command are added behind its own."""

    def register(function: F) -> F:
        app.command(name, **settings)(_typed(function))
        return function

    return register


def listing(group: typer.Typer) -> Callable[[F], F]:
    """What the bare name of a group does."""

    def register(function: F) -> F:
        group.callback(invoke_without_command=True)(_typed(function))
        return function

    return register


SHARED = {"context": typer.Context, "url": Url, "api_key": ApiKey, "as_json": AsJson}


def _typed(function: Callable[..., None]) -> Callable[..., None]:
    """The function as typer is to see it: a dataclass among its arguments stands for an option per field."""
    signature = inspect.signature(function, eval_str=True)
    own = {name: given for name, given in signature.parameters.items() if name != "session"}
    groups: dict[str, Any] = {name: given.annotation for name, given in own.items() if is_dataclass(given.annotation)}
    mine = [given.replace(kind=inspect.Parameter.KEYWORD_ONLY) for name, given in own.items() if name not in groups]
    options = [option for group in groups.values() for option in _fields_of(group)]
    shared = [_option(name, annotation, None) for name, annotation in SHARED.items()]

    @functools.wraps(function)
    def run(context: typer.Context, url: str | None, api_key: str | None, as_json: bool, **given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        context.obj = (context.obj or Flags()).under(url, api_key, as_json)
        if context.invoked_subcommand is None:
            told(Session(context.obj), lambda session: function(session, **given))

    parameters = [*mine, *options, *shared]
    del run.__wrapped__
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _fields_of(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        yield _option(field.name, hints[field.name], field.default)


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    default = False if annotation is AsJson else inspect.Parameter.empty if annotation is typer.Context else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def told(session: Session, work: Callable[[Session], None]) -> None:
    """Runs it; a failure becomes words on stderr, the server's own JSON where that was wished, and an exit status."""
    try:
        work(session)
        sys.stdout.flush()
    except Failure as failure:
        session.out.failure(failure)
        raise typer.Exit(failure.exit_code) from failure
    except KeyboardInterrupt as error:
        session.out.note(str(error) or "Stopped.")
        raise typer.Exit(INTERRUPTED) from error
    except BrokenPipeError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read has had enough
        raise typer.Exit(OK) from error
    finally:
        session.close()

"""Which Drover, and with which key: kept in a file that only its owner can read."""

import os
import sys
from typing import Annotated

import typer

from orchestration.cli import configuration
from orchestration.cli.failures import Misused, NoAccess
from orchestration.cli.session import Session, command, listing

app = typer.Typer()
config = typer.Typer(name="config", help="The stored address and key; the configuration of Drover, out and in.")
app.add_typer(config)


@command(app, "login")
def login(
    session: Session,
    address: Annotated[
        str | None, typer.Argument(metavar="[ADDRESS]", help="Where Drover is.", show_default=False)
    ] = None,
) -> None:
    """Store the address and the key, after a try whether they work."""
    stored = configuration.load(configuration.file_path())
    known = address or session.flags.url or os.environ.get("DROVER_URL") or stored.get("url", "")
    url = configuration.normal_url(known or _ask("Address", configuration.DEFAULT_URL))
    key = (session.flags.api_key or _secret()).strip()
    if not key or not key.isprintable():
        raise Misused("There is no key, or it has characters that no key has.")
    probing = session.at(url, key)
    try:
        probing.client.get("metrics")
    finally:
        probing.close()
    path = configuration.file_path()
    configuration.save(path, {"url": url, "api_key": key})
    if url.startswith("http://") and not probing.settings.is_local:
        session.out.warn(f"The key travels to {url} unencrypted.")
    if not session.out.as_json:
        session.out.say(f"Logged in to {url}; stored in {path}.", "green")


def _ask(what: str, default: str) -> str:
    return str(typer.prompt(what, default=default, err=True)) if sys.stdin.isatty() else default


def _secret() -> str:
    """Typed unseen, or the first line that comes in."""
    if sys.stdin.isatty():
        return str(typer.prompt("API key", hide_input=True, err=True))
    return sys.stdin.readline()


@command(app, "logout")
def logout(session: Session) -> None:
    """Forget the stored key; the address stays."""
    path = configuration.file_path()
    stored = configuration.load(path)
    if stored.pop("api_key", None):
        configuration.save(path, stored)
    if not session.out.as_json:
        session.out.say("No key is stored.")


@listing(config)
def show_config(session: Session) -> None:
    """What holds now, and where it is stored. The key is not shown."""
    path = configuration.file_path()
    settings = session.settings
    held = {"url": settings.url, "api_key": "set" if settings.api_key else None, "file": str(path)}
    session.out.json(held) if session.out.as_json else session.out.details(held)
    if settings.key_kept_back:
        raise NoAccess(f"The stored key is for another address than {settings.url}.")


@command(config, "set")
def set_config(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="url or api_key", show_default=False)],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="- reads it from stdin", show_default=False)],
) -> None:
    """Store one value without trying it."""
    if name not in configuration.KEYS:
        raise Misused(f"There is no setting {name!r}.", f"It takes {' and '.join(configuration.KEYS)}.")
    text = (sys.stdin.readline() if value == "-" else value).strip()
    if name == "url":
        text = configuration.normal_url(text)
    path = configuration.file_path()
    configuration.save(path, {**configuration.load(path), name: text})
    if not session.out.as_json:
        session.out.say(f"{name} is stored in {path}.")

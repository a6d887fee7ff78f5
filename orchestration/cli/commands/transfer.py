"""The whole configuration: into a file, out of one, compared, checked, reset; and what Drover itself runs with."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import typer

from orchestration.cli import parsing
from orchestration.cli.commands.access import config
from orchestration.cli.failures import Misused, Refused, WorkFailed
from orchestration.cli.session import Session, command
from orchestration.cli.text import line

app = typer.Typer()

Json = dict[str, Any]
YAML = "application/yaml"
SIGNS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}
VALUE_SHOWN = 60

File = Annotated[Path, typer.Argument(metavar="FILE", help="YAML or JSON; - reads stdin.", show_default=False)]
Sections = Annotated[str | None, typer.Option("--sections", help="Names with commas between them; else all.")]
Replace = Annotated[bool, typer.Option("--replace", help="Remove what the file's sections have not, too.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would change.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
WithSecrets = Annotated[
    bool,
    typer.Option("--with-secrets", help="The nodes' credentials too, sealed with a passphrase [DROVER_PASSPHRASE]."),
]


@command(config, "export")
def export_config(
    session: Session,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Else stdout.", show_default=False)] = None,
    form: Annotated[Literal["yaml", "json"] | None, typer.Option("--format", help="Else by the file's name.")] = None,
    sections: Sections = None,
    with_secrets: WithSecrets = False,
) -> None:
    """Write the configuration of Drover, without ids and secrets."""
    wanted = form or ("json" if session.out.as_json or (file and file.suffix == ".json") else "yaml")
    text = _exported(session, wanted, sections, with_secrets)
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise Misused(f"{file} cannot be written: {error.strerror}.") from error
    if not session.out.as_json:
        session.out.say(f"The configuration is in {file}.", "green")


def _exported(session: Session, form: str, sections: str | None, with_secrets: bool) -> str:
    if not with_secrets:
        with session.client.download("config/export", format=form, sections=sections) as pieces:
            return b"".join(pieces).decode()
    body = {"passphrase": _passphrase(), "format": form, "sections": parsing.names([sections or ""])}
    return session.client.text("POST", "config/export", body)


@command(config, "import")
def import_config(
    session: Session,
    file: File,
    replace: Replace = False,
    dry_run: DryRun = False,
    with_secrets: WithSecrets = False,
    yes: Yes = False,
) -> None:
    """Take a configuration from a file: all of it or nothing. On a terminal it is shown first what changes."""
    request = _request(file, replace, with_secrets)
    is_asked = sys.stdin.isatty() and not (yes or dry_run or session.out.as_json)
    trial = _sent(session, "config/import", request, dry_run=True) if is_asked or dry_run else None
    if trial is not None:
        _show(session, trial)
        if dry_run or not _agreed(session, trial):
            return
    done = _sent(session, "config/import", request, based_on=(trial or {}).get("based_on"))
    _finish(session, done, shown=trial is not None)


@command(config, "diff")
def diff_config(session: Session, file: File, replace: Replace = False) -> None:
    """What importing a file would change. Exit status 1 when anything would."""
    trial = _sent(session, "config/import", _request(file, replace, False), dry_run=True)
    _show(session, trial)
    if trial["changes"]:
        raise WorkFailed(f"{file} and this Drover differ.")


@command(config, "validate")
def validate_config(session: Session, file: File, replace: Replace = False) -> None:
    """Check a file: every problem with its place."""
    answer = _sent(session, "config/validate", _request(file, replace, False))
    if session.out.as_json:
        session.out.json(answer)
    elif answer["valid"]:
        session.out.say(f"{file} is valid. Importing it: {_summary(answer['outcome'])}.", "green")
    else:
        session.out.table(("where", "what is wrong"), [(each["path"], each["message"]) for each in answer["problems"]])
    if not answer["valid"]:
        raise WorkFailed(f"{file} has {len(answer['problems'])} problems.")


@command(config, "reset")
def reset_config(session: Session, sections: Sections = None, dry_run: DryRun = False, yes: Yes = False) -> None:
    """Take sections back to how they are in a new Drover; without any: presets, defaults, model-configs, retention."""
    names = parsing.names([sections or ""])
    trial = session.client.post("config/reset", {"sections": names, "dry_run": True})
    if dry_run or not session.out.as_json:
        _show(session, trial)
    if dry_run or not trial["changes"]:
        return
    if not yes and not sys.stdin.isatty():
        raise Misused("A reset has to be confirmed.", "Look with --dry-run, then repeat with --yes.")
    if yes or _agreed(session, trial):
        done = session.client.post("config/reset", {"sections": names, "based_on": trial["based_on"]})
        _finish(session, done, shown=True)


def _request(file: Path, replace: bool, with_secrets: bool) -> Json:
    text = sys.stdin.read() if str(file) == "-" else parsing.read_text(file)
    is_json = file.suffix == ".json" or text.lstrip()[:1] == "{"
    headers = {"Content-Type": "application/json" if is_json else YAML}
    if with_secrets:
        headers["X-Passphrase"] = quote(_passphrase(), safe="")
    return {"content": text.encode(), "headers": headers, "params": {"mode": "replace" if replace else "merge"}}


def _passphrase() -> str:
    if given := os.environ.get("DROVER_PASSPHRASE", ""):
        return given
    if not sys.stdin.isatty():
        raise Misused("There is no passphrase.", "Set DROVER_PASSPHRASE, or type it on a terminal.")
    return str(typer.prompt("Passphrase", hide_input=True, err=True))


def _sent(session: Session, path: str, request: Json, **params: Any) -> Json:
    try:
        answer: Json = session.client.request(
            "POST", path, **{**request, "params": {**request["params"], **params}}, timeout=300
        )
    except Refused as refusal:
        if refusal.code != "invalid_config":
            raise
        problems = [f"{each['path']}: {each['message']}" for each in refusal.detail.get("problems") or []]
        words = f"Nothing was imported: there are {len(problems)} problems."
        raise Refused(words, "\n".join(problems), payload=refusal.payload) from refusal
    return answer


def _agreed(session: Session, trial: Json) -> bool:
    if not trial["changes"]:
        return bool(trial["credentials_restored"])
    return typer.confirm(f"Do this to {session.settings.url}?", err=True)


def _show(session: Session, outcome: Json) -> None:
    if session.out.as_json:
        session.out.json(outcome)
        return
    for change in outcome["changes"]:
        sign, style = SIGNS[change["change"]]
        session.out.say(f"{sign} {change['section']}: {change['name']}", style)
        for words in _fields(change):
            session.out.say(f"    {words}")
    for warning in outcome["warnings"]:
        session.out.warn(warning)
    session.out.say(_summary(outcome).capitalize() + ".")


def _fields(change: Json) -> Iterator[str]:
    for each in change["fields"]:
        after = _value(each["after"])
        before = "" if change["change"] == "added" else f"{_value(each['before'])} → "
        yield f"{each['field']}: {before}{after}"


def _value(value: Any) -> str:
    words = {None: "nothing", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    return line(value, VALUE_SHOWN) if value != "" else '""'


def _summary(outcome: Json) -> str:
    counts = outcome["counts"]
    told = [f"{counts[name]} {name}" for name in ("added", "changed", "removed") if counts[name]]
    return f"{', '.join(told) or 'nothing changes'}; {counts['unchanged']} as they are"


def _finish(session: Session, done: Json, *, shown: bool) -> None:
    if session.out.as_json:
        session.out.json(done)
        return
    if not shown:
        _show(session, done)
    restored = done["credentials_restored"]
    also = f" Credentials restored: {line(', '.join(restored))}." if restored else ""
    session.out.say(f"Done.{also}", "green")


@command(app, "settings")
def list_settings(
    session: Session,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not as by default.")] = False,
) -> None:
    """Every setting that holds: its value, where that comes from, and what it is for."""
    answer = session.client.get("settings")
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [row for row in answer["settings"] if not changed or row["source"] != "default"]
    columns = ("name", "value", "comes from", "default", "what it is for")
    cells = [(row["name"], row["value"], row["source"], row["default"], row["help"]) for row in rows]
    session.out.table(columns, cells, empty="Everything is as by default.")
    for each in answer["unknown"]:
        near = f" Is {each['near']} meant?" if each["near"] else ""
        session.out.warn(f"There is no setting {each['name']}.{near}")


@command(app, "system")
def show_system(session: Session) -> None:
    """Versions, database, Redis, processes, disk."""
    answer = session.client.get("system")
    if session.out.as_json:
        session.out.json(answer)
        return
    for part in answer["parts"]:
        session.out.say(part["name"], "bold")
        session.out.details({fact["name"]: fact["text"] for fact in part["facts"]})

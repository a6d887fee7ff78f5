"""How long texts and tasks are kept, and clean-ups: looked at first, then done."""

import sys
import time
from typing import Annotated, Any

import typer

from orchestration.cli.arguments import LIMIT_DEFAULT, Limit
from orchestration.cli.failures import Misused, WorkFailed
from orchestration.cli.session import Session, command, listing
from orchestration.cli.text import ago, counted, number, size

app = typer.Typer()
retention = typer.Typer(name="retention", help="How long texts and tasks are kept.")
cleanup = typer.Typer(name="cleanup", help="Remove what has been kept for long enough.")
app.add_typer(retention)
app.add_typer(cleanup)

LOOK_SECONDS = 1.0
OTHERS = "(all others)"
FOREVER = "forever"

Agent = Annotated[str | None, typer.Argument(metavar="[AGENT]", help="Left out: all others.", show_default=False)]
Days = Annotated[str | None, typer.Option(metavar="DAYS", help=f"A number, or {FOREVER}.", show_default=False)]


@listing(retention)
def list_rules(session: Session) -> None:
    """The rules, and when they are next kept to."""
    found = session.client.get("retention")
    if session.out.as_json:
        session.out.json(found)
        return
    rows = [
        (
            rule["agent"] or OTHERS,
            rule["words"],
            "stays" if rule["keep_collected"] else "goes too",
            ago(rule["updated_at"]),
        )
        for rule in found["rules"]
    ]
    columns = ("agent", "kept", "in collections", "changed")
    session.out.table(columns, rows, empty="There are no rules: everything is kept for good.")
    if session.out.is_live:
        session.out.details(_facts(found))


def _facts(found: dict[str, Any]) -> dict[str, Any]:
    sink = found["sink"] or {}
    written = f"{sink['folder']}, {counted(sink['files'], 'file')}" if sink else ""
    return {"next clean-up": found["next_cleanup_at"], "folder": written, "problem": sink.get("problem")}


@command(retention, "set")
def set_rule(
    session: Session,
    agent: Agent = None,
    text_days: Days = None,
    task_days: Days = None,
    keep_collected: Annotated[
        bool | None, typer.Option("--keep-collected/--drop-collected", help="Whether what is in a collection stays.")
    ] = None,
) -> None:
    """Say how long an agent's texts and whole tasks are kept; what is not named stays as it is."""
    rule = _rule(session, agent)
    kept = rule or {"text_days": None, "task_days": None, "keep_collected": True}
    body = {
        "text_days": kept["text_days"] if text_days is None else _days(text_days),
        "task_days": kept["task_days"] if task_days is None else _days(task_days),
        "keep_collected": kept["keep_collected"] if keep_collected is None else keep_collected,
    }
    path = f"retention/{rule['id']}" if rule else "retention"
    found = session.client.put(path, body) if rule else session.client.post(path, {**body, "agent_id": agent})
    words = f"{found['agent'] or 'All others'}: {found['words']}."
    session.out.json(found) if session.out.as_json else session.out.say(words, "green")


@command(retention, "remove")
def remove_rule(session: Session, agent: Agent = None) -> None:
    """Take back a rule: its agent then goes by that for all others."""
    rule = _rule(session, agent)
    if rule is None:
        raise Misused(f"There is no rule for {agent or 'all others'}.")
    session.client.delete(f"retention/{rule['id']}")
    if not session.out.as_json:
        session.out.say(f"The rule for {agent or 'all others'} is taken back.", "green")


def _rule(session: Session, agent: str | None) -> dict[str, Any] | None:
    rules = session.client.get("retention")["rules"]
    return next((rule for rule in rules if agent in (rule["agent"], str(rule["agent_id"] or "") or None)), None)


def _days(text: str) -> int | None:
    if text == FOREVER:
        return None
    if not (text.isascii() and text.isdecimal()):
        raise Misused(f"{text!r} is no number of days.", f"Give a number, or {FOREVER}.")
    return int(text)


@listing(cleanup)
def clean_up(
    session: Session,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the end.")] = False,
) -> None:
    """Tell what would be removed, ask, remove exactly that, and wait for the end."""
    plan = session.client.post("outputs/cleanup", {}, dry_run="true")
    if dry_run or not _count(plan):
        _tell(session, plan, "would be removed")
        return
    if not session.out.as_json:
        _tell(session, plan, "would be removed")
    if not yes and not _agreed(session, plan):
        raise Misused("Nothing was removed.", "Look with --dry-run, then repeat with --yes.")
    asked = session.client.post("outputs/cleanup", {"as_of": plan["as_of"], "expected": _count(plan)})
    done = asked if detach else _followed(session, asked)
    if session.out.as_json:
        session.out.json(done)
    elif detach:
        session.out.say(f"Clean-up {done['id']} is under way.", "green")
    else:
        session.out.say(f"{_words(done['total'])} removed.", "green")


def _agreed(session: Session, plan: dict[str, Any]) -> bool:
    if session.out.as_json or not sys.stdin.isatty():
        return False
    return typer.confirm(f"Remove this for good from {session.settings.url}?", err=True)


def _followed(session: Session, asked: dict[str, Any]) -> dict[str, Any]:
    found, told = asked, ""
    while found["status"] in ("waiting", "running"):
        time.sleep(LOOK_SECONDS)
        found = session.client.get(f"outputs/cleanup/{asked['id']}")
        words = f"{_count(found):,} of {found['expected']:,}"
        if words != told and not session.out.as_json:
            session.out.note(words)
        told = words
    if found["status"] == "stopped":
        raise WorkFailed(f"{found['stopped_by']} stopped it. {_words(found['total'])} removed before.", payload=found)
    result: dict[str, Any] = found
    return result


@command(cleanup, "list")
def list_clean_ups(session: Session, limit: Limit = LIMIT_DEFAULT) -> None:
    """Clean-ups, newest first."""
    answer = session.client.rows("outputs/cleanup", "clean_ups", limit=limit)
    if session.out.as_json:
        session.out.json(answer)
        return
    rows = [
        (
            row["id"],
            ago(row["asked_at"]),
            "by the clock" if row["scheduled"] else row["by"],
            row["status"],
            *_cells(row["total"]),
        )
        for row in answer["clean_ups"]
    ]
    columns = ("id", "asked", "by", "state", "texts", "tasks", "size")
    session.out.table(columns, rows, empty="There was no clean-up yet.")


@command(cleanup, "stop")
def stop_clean_up(
    session: Session,
    clean_up_id: Annotated[int, typer.Argument(metavar="ID", help="A clean-up's id.", show_default=False)],
) -> None:
    """Stop one that is under way; what is removed stays removed."""
    found = session.client.post(f"outputs/cleanup/{clean_up_id}/stop")
    words = f"Clean-up {clean_up_id} is stopped. {_words(found['total'])} removed before."
    session.out.json(found) if session.out.as_json else session.out.say(words, "green")


def _tell(session: Session, plan: dict[str, Any], verb: str) -> None:
    if session.out.as_json:
        session.out.json(plan)
        return
    rows = [(row["agent"], *_cells(row), ago(row["oldest"]), ago(row["newest"])) for row in plan["by_agent"]]
    columns = ("agent", "texts", "tasks", "size", "oldest", "newest")
    session.out.table(columns, rows, empty="Nothing has been kept for longer than the rules say.")
    if rows and session.out.is_live:
        session.out.say(f"{_words(plan['total'])} {verb}.")


def _cells(removed: dict[str, Any]) -> tuple[str, str, str]:
    return number(removed["texts"]), number(removed["tasks"]), size(removed["bytes"])


def _count(found: dict[str, Any]) -> int:
    return int(found["total"]["texts"] + found["total"]["tasks"])


def _words(total: dict[str, Any]) -> str:
    """``120 texts and 3 tasks, 4.1 MB``."""
    return f"{counted(total['texts'], 'text')} and {counted(total['tasks'], 'task')}, {size(total['bytes'])}"

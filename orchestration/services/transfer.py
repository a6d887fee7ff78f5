"""The whole configuration out and in: exported as one document, imported or reset in one piece or not at all."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from orchestration import events
from orchestration.errors import Conflict
from orchestration.permissions import Action, Actor, require
from orchestration.policy.transfer import Document, Given, Shape, canonical, chosen, invalid, read
from orchestration.policy.transfer_diff import Change, counts, diff, digest
from orchestration.services import audit, transfer_secrets
from orchestration.services.again import atomic_again
from orchestration.services.transfer_applying import Applying
from orchestration.services.transfer_sections import blank, sections

RESET = ("presets", "fleet_defaults", "model_configs", "retention")
"""What is reset where nothing is named: neither nodes nor what people wrote."""
_CHANGES_AUDITED = 200


class Mode(StrEnum):
    MERGE = "merge"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an import did, or would do. ``based_on`` stands for the configuration it began from, ``restored`` are the
    nodes that got their credentials back."""

    applied: bool
    mode: Mode
    changes: list[Change]
    unchanged: int
    based_on: str
    restored: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class _Undone(Exception):
    pass


def shapes() -> list[Shape]:
    return [section.shape for section in sections()]


def export(*, actor: Actor, names: Collection[str] = ()) -> Document:
    """The named sections, all where none is named. No secrets. Raises InvalidInput for a section that is unknown."""
    require(actor, Action.VIEW)
    return _document(chosen(names, shapes()))


def export_with_secrets(*, actor: Actor, passphrase: str, names: Collection[str] = ()) -> Document:
    """With the credentials of the nodes, which only the passphrase opens again."""
    require(actor, Action.EXPORT_SECRETS)
    document = export(actor=actor, names=names)
    sealed = transfer_secrets.sealed(passphrase, [node["name"] for node in document.get("nodes", ())])
    audit.record_whole(actor, "config.secrets_exported", "configuration", sections=sorted(document))
    return {**document, "secrets": sealed}


def import_(
    *,
    actor: Actor,
    data: Any,
    mode: Mode = Mode.MERGE,
    dry_run: bool = False,
    passphrase: str = "",
    based_on: str = "",
) -> Outcome:
    """Everything or nothing. Raises InvalidConfig with every problem, Conflict when the configuration has changed
    since ``based_on`` was told."""
    require(actor, Action.REPLACE_CONFIG if mode == Mode.REPLACE else Action.IMPORT_CONFIG)
    given = read(data, shapes())
    return _done(actor, given, mode, dry_run=dry_run, passphrase=passphrase, based_on=based_on, name="config.imported")


def reset(*, actor: Actor, names: Collection[str] = (), dry_run: bool = False, based_on: str = "") -> Outcome:
    """The named sections become what they are in a new Drover."""
    require(actor, Action.REPLACE_CONFIG)
    wanted = chosen(names or [shape.name for shape in shapes() if shape.name in RESET], shapes())
    given = read(blank(wanted), wanted)
    return _done(actor, given, Mode.REPLACE, dry_run=dry_run, passphrase="", based_on=based_on, name="config.reset")


def _done(
    actor: Actor, given: Given, mode: Mode, *, dry_run: bool, passphrase: str, based_on: str, name: str
) -> Outcome:
    """A trial run does all that the run does, and takes it back."""
    outcome: list[Outcome] = []

    @atomic_again
    def work() -> None:
        outcome.clear()
        found = _applied(actor, given, mode, passphrase=passphrase, based_on=based_on)
        outcome.append(found)
        if dry_run:
            raise _Undone
        if found.changes or found.restored:
            _record(actor, name, found)

    with events.together():
        try:
            work()
        except _Undone:
            return replace(outcome[0], applied=False)
    return outcome[0]


def _applied(actor: Actor, given: Given, mode: Mode, *, passphrase: str, based_on: str) -> Outcome:
    touched = [section for section in sections() if section.shape.name in given.sections]
    wanted = [section.shape for section in touched]
    before, holders = _document(wanted), transfer_secrets.holders()
    if based_on not in ("", digest(before)):
        raise Conflict("The configuration has changed meanwhile; look again at what differs.", based_on=digest(before))
    applying = Applying(actor=actor, replace=mode == Mode.REPLACE)
    applying.run(touched, given)
    problems = [*given.problems, *applying.problems]
    restored, warnings = transfer_secrets.restore(actor, given.sealed, passphrase, problems)
    if problems:
        raise invalid(problems)
    after = _document(wanted)
    return Outcome(
        applied=True,
        mode=mode,
        changes=diff(before, after, wanted),
        unchanged=applying.unchanged,
        based_on=digest(before),
        restored=restored,
        warnings=[*warnings, *_lost(holders, after)],
    )


def _lost(holders: set[str], after: Document) -> list[str]:
    still = transfer_secrets.holders()
    lost = sorted(node["name"] for node in after.get("nodes", ()) if node["name"] in holders - still)
    return [f"{name} has a new address and is not sent its credentials any more; give them again." for name in lost]


def _document(wanted: Iterable[Shape]) -> Document:
    names = [shape.name for shape in wanted]
    found = [section for section in sections() if section.shape.name in names]
    rows = {section.shape.name: [fields for _, fields in section.rows()] for section in found}
    return canonical(rows, [section.shape for section in found])


def _record(actor: Actor, name: str, outcome: Outcome) -> None:
    listed = [f"{change.section}: {change.name} {change.manner}" for change in outcome.changes[:_CHANGES_AUDITED]]
    audit.record_whole(
        actor,
        name,
        "configuration",
        mode=str(outcome.mode),
        **counts(outcome.changes),
        changes=listed,
        **({"credentials_restored": outcome.restored} if outcome.restored else {}),
    )

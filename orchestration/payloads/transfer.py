"""What an import of a configuration did or would do, and what is wrong with one."""

from typing import Any, Literal

from typing_extensions import TypedDict

from orchestration.policy.transfer_diff import Change, counts


class FieldChangePayload(TypedDict):
    """``field`` as a path inside of the object: ``options.temperature``. What is not there is null."""

    field: str
    before: Any
    after: Any


class ChangePayload(TypedDict):
    section: str
    name: str
    change: Literal["added", "changed", "removed"]
    fields: list[FieldChangePayload]


class CountsPayload(TypedDict):
    added: int
    changed: int
    removed: int
    unchanged: int


class ImportPayload(TypedDict):
    """``applied`` is false after a dry run. ``based_on`` stands for the configuration that was compared: sent with the
    import it makes sure that nobody has changed it meanwhile. ``credentials_restored``: names of nodes."""

    applied: bool
    mode: Literal["merge", "replace"]
    counts: CountsPayload
    changes: list[ChangePayload]
    credentials_restored: list[str]
    warnings: list[str]
    based_on: str


class ProblemPayload(TypedDict):
    """``path``: ``agents[2].options.temperature``; empty for the document as a whole."""

    path: str
    message: str


class ValidationPayload(TypedDict):
    """``outcome``: what importing it would do, where it is valid."""

    valid: bool
    problems: list[ProblemPayload]
    outcome: ImportPayload | None


def change(row: Change) -> ChangePayload:
    fields = [FieldChangePayload(field=each.field, before=each.before, after=each.after) for each in row.fields]
    return ChangePayload(section=row.section, name=row.name, change=row.manner.value, fields=fields)


def counted(changes: list[Change], unchanged: int) -> CountsPayload:
    found = counts(changes)
    return CountsPayload(added=found["added"], changed=found["changed"], removed=found["removed"], unchanged=unchanged)

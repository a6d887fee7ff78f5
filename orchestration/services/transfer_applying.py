"""Objects of a configuration, brought into the tables one by one through their services; what is wrong is gathered.

An object that is wrong is saved with what is right of it, inside a transaction that will be taken back: so that all
that is wrong with it is told at once, and that it is not missed by those that name it.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from django.db import transaction

from orchestration.errors import Conflict, DroverError, InvalidNodeAddress, InvalidWorkflow, NotAllowed
from orchestration.permissions import Actor
from orchestration.policy.transfer import Fields, Given, Item, Problem
from orchestration.policy.transfer_diff import same
from orchestration.services.transfer_sections import Section

Place = tuple[str, ...]
"""A field, or an entry of a field that is an object."""
_MOST_TURNS = 100
_ABSENT = object()


class Applying:
    """One import while it goes on. ``replace``: what the document does not have goes."""

    def __init__(self, *, actor: Actor, replace: bool) -> None:
        self._actor = actor
        self._replace = replace
        self._problems: dict[Problem, None] = {}
        self.unchanged = 0
        self._samples = 0
        self._replaced: set[Place] = set()

    @property
    def problems(self) -> list[Problem]:
        """Each once, in the order in which they were found."""
        return list(self._problems)

    def run(self, sections: list[Section], given: Given) -> None:
        items = given.sections
        for section in reversed(sections):
            if not section.removed_last:
                self._remove(section, items[section.shape.name])
        for section in sections:
            self._write(section, items[section.shape.name])
        for section in sections:
            if section.removed_last:
                self._remove(section, items[section.shape.name])

    def _remove(self, section: Section, items: list[Item]) -> None:
        if not self._replace or section.shape.single:
            return
        wanted = {item.key for item in items} | section.kept
        for pk, fields in list(section.rows()):
            key = fields[section.shape.key] or ""
            if key in wanted:
                continue
            try:
                with transaction.atomic():
                    section.delete(self._actor, pk)
            except NotAllowed:
                raise
            except DroverError as error:
                self._note(section.shape.name, f"{key or section.shape.whole} cannot go. {error.message}")

    def _write(self, section: Section, items: list[Item]) -> None:
        """What is in the way of another may be about to move: it is asked once more when others have moved."""
        present = {self._key(section, fields): (pk, fields) for pk, fields in section.rows()}
        waiting = [(item, present.get(item.key)) for item in items]
        while waiting:
            left = [each for each in waiting if not self._tried(section, *each)]
            if len(left) == len(waiting):
                for item, row in left:
                    self._save(section, item, row)
                return
            waiting = left

    @staticmethod
    def _key(section: Section, fields: Fields) -> str:
        return "" if section.shape.single else fields[section.shape.key] or ""

    def _tried(self, section: Section, item: Item, row: tuple[int, Fields] | None) -> bool:
        """False when something that is there now is in its way."""
        fields = self._wanted(section, item)
        if row is not None and all(name in row[1] and same(row[1][name], value) for name, value in fields.items()):
            whole = section.shape.columns is not None or same(row[1], fields)
            if whole:
                self.unchanged += 1
                return True
        try:
            with transaction.atomic():
                self._call(section, row, fields)
        except Conflict:
            return False
        except NotAllowed:
            raise
        except DroverError:
            self._save(section, item, row)
        return True

    def _wanted(self, section: Section, item: Item) -> Fields:
        return section.complete(item.fields) if self._replace else dict(item.fields)

    def _call(self, section: Section, row: tuple[int, Fields] | None, fields: Fields) -> None:
        if row is None:
            section.create(self._actor, deepcopy(fields))
        else:
            section.update(self._actor, row[0], deepcopy(fields))

    def _save(self, section: Section, item: Item, row: tuple[int, Fields] | None) -> None:
        """Once more and again, each time without what was wrong."""
        fields = self._wanted(section, item)
        self._replaced.clear()
        for _ in range(_MOST_TURNS):
            try:
                with transaction.atomic():
                    self._call(section, row, fields)
                return
            except NotAllowed:
                raise
            except DroverError as error:
                found = {_inside(place, fields): message for place, message in blamed(error)}
            for place, message in found.items():
                self._note(".".join((item.path, *place)), message)
            if not [place for place in found if self._mended(fields, place, section)]:
                return

    def _mended(self, fields: Fields, place: Place, section: Section) -> bool:
        """Whether what was wrong there is wrong no more: left out, or replaced where it cannot be."""
        name, *inside = place or ("",)
        if inside:
            return _left_out(fields, name, inside[0])
        if name in section.samples and place not in self._replaced:
            self._replaced.add(place)
            self._samples += 1
            fields[name] = section.samples[name].format(n=self._samples)
            return True
        return name != section.shape.key and fields.pop(name, _ABSENT) is not _ABSENT

    def _note(self, path: str, message: str) -> None:
        self._problems[Problem(path=path, message=message)] = None


def blamed(error: DroverError) -> Iterator[tuple[Place, str]]:
    """Where an error says it is, and what it says there; the object as a whole where it does not say."""
    detail = error.detail
    if isinstance(error, InvalidWorkflow):
        for each in error.problems:
            step = () if each.number is None else (f"steps[{each.number}]",)
            yield (*step, *filter(None, [each.field])), each.message
    elif "option" in detail:
        messages = detail.get("fields") or {detail["option"]: error.message}
        yield from ((("options", name), message) for name, message in messages.items())
    elif isinstance(detail.get("fields"), Mapping):
        yield from (((name,) if name else (), message) for name, message in detail["fields"].items())
    elif isinstance(error, InvalidNodeAddress):
        yield ("base_url",), error.message
    else:
        field = str(detail.get("field", ""))
        yield ((field,) if field else ()), error.message


def _inside(place: Place, fields: Fields) -> Place:
    """Services name options without saying that they are options."""
    options = fields.get("options")
    is_option = len(place) == 1 and isinstance(options, Mapping) and place[0] in options and place[0] not in fields
    return ("options", *place) if is_option else place


def _left_out(fields: Fields, name: str, entry: str) -> bool:
    found: Any = fields.get(name)
    if not isinstance(found, Mapping) or entry not in found:
        return False
    fields[name] = {key: value for key, value in found.items() if key != entry}
    return True

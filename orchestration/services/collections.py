"""Collections: answers that somebody puts together and shows to everybody by a link."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from orchestration.errors import Conflict, InvalidInput
from orchestration.models import Collection, Output
from orchestration.permissions import Action, Actor, require
from orchestration.queries.collections import get_collection
from orchestration.services import audit, fields, outputs

MOST_AT_ONCE = 500
MOST_OUTPUTS = 10_000


@transaction.atomic
def create(*, actor: Actor, name: str, description: str = "", task_ids: Sequence[int] = ()) -> Collection:
    """Raises Conflict where the name is taken, InvalidInput for a name that is none."""
    require(actor, Action.EDIT_COLLECTION)
    row = Collection(name=name.strip(), description=description.strip(), owner_id=actor.user_id)
    fields.save(row)
    audit.record(actor, "collection.created", row)
    if task_ids:
        add(actor=actor, collection_id=row.pk, task_ids=task_ids)
    return row


@transaction.atomic
def edit(*, actor: Actor, collection_id: int, **changes: Any) -> Collection:
    """``name`` and ``description``."""
    row = _mine(actor, collection_id)
    before = {name: getattr(row, name) for name in ("name", "description")}
    fields.apply(row, {name: value.strip() for name, value in changes.items()}, before)
    fields.save(row)
    after = {name: getattr(row, name) for name in before}
    audit.record(actor, "collection.changed", row, changes=audit.changes(before, after))
    return row


@transaction.atomic
def delete(*, actor: Actor, collection_id: int) -> None:
    """The answers stay; the mark of a collection that is gone stands for nothing."""
    row = _mine(actor, collection_id)
    audit.record(actor, "collection.deleted", row, outputs=row.outputs.count())
    row.delete()


@transaction.atomic
def add(*, actor: Actor, collection_id: int, task_ids: Sequence[int]) -> int:
    """Anybody's answers. How many are new in it. Raises InvalidInput, Conflict where it is full."""
    row, found = _mine(actor, collection_id), _outputs(task_ids)
    known = set(row.outputs.filter(pk__in=[each.pk for each in found]).values_list("pk", flat=True))
    new = [each for each in found if each.pk not in known]
    if row.outputs.count() + len(new) > MOST_OUTPUTS:
        raise Conflict(f"A collection has at most {MOST_OUTPUTS:,} answers.")
    row.outputs.add(*new)
    _say(actor, "collection.added", row, new)
    return len(new)


@transaction.atomic
def remove(*, actor: Actor, collection_id: int, task_ids: Sequence[int]) -> int:
    """How many were in it."""
    row, found = _mine(actor, collection_id), _outputs(task_ids)
    members = list(row.outputs.filter(pk__in=[each.pk for each in found]))
    row.outputs.remove(*members)
    _say(actor, "collection.removed", row, members)
    return len(members)


def _say(actor: Actor, action: str, row: Collection, changed: Sequence[Output]) -> None:
    if changed:
        outputs.remark(changed)
        audit.record(actor, action, row, outputs=len(changed), tasks=[each.pk for each in changed[:20]])


def _mine(actor: Actor, collection_id: int) -> Collection:
    row = get_collection(collection_id)
    require(actor, Action.EDIT_COLLECTION, row)
    return Collection.objects.select_for_update(of=("self",), no_key=True).get(pk=row.pk)


def _outputs(task_ids: Sequence[int]) -> list[Output]:
    wanted = list(dict.fromkeys(task_ids))
    if not 1 <= len(wanted) <= MOST_AT_ONCE:
        raise InvalidInput(f"Name 1 to {MOST_AT_ONCE} answers by the ids of their tasks.", field="ids")
    found = list(Output.objects.filter(pk__in=wanted))
    if missing := set(wanted) - {each.pk for each in found}:
        raise InvalidInput(f"There is no answer of task {min(missing)}.", field="ids", missing=sorted(missing)[:20])
    return found

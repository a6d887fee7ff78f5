"""What holds for the whole fleet where a model, an agent or a task says nothing else."""

from typing import Any

from django.db import transaction

from orchestration import events
from orchestration.models import FleetDefaults
from orchestration.permissions import Action, Actor, require
from orchestration.policy.routing import full_name
from orchestration.queries.levels import DEFAULTS_KEY
from orchestration.services import audit
from orchestration.services.fields import apply, save
from orchestration.services.manners import check_manner

FIELDS = ("default_model", "preset", "options", "think", "timeout_seconds", "keep_alive_seconds")


@transaction.atomic
def update(*, actor: Actor, **fields: Any) -> FleetDefaults:
    """Changes the given fields. Tasks submitted from now on use the context size and the default model; the rest holds
    for whatever starts from now on. Raises InvalidInput that names every problem."""
    require(actor, Action.EDIT_MODEL)
    row = _locked()
    before = {name: getattr(row, name) for name in FIELDS}
    apply(row, fields, FIELDS)
    row.default_model = full_name(row.default_model)
    save(row, problems=check_manner(row, preset="preset" in fields))
    changes = audit.changes(before, {name: getattr(row, name) for name in FIELDS})
    audit.record(actor, "defaults.changed", row, changes=changes)
    events.on_commit(("defaults", {"change": "changed"}), wake=True)
    return row


def _locked() -> FleetDefaults:
    FleetDefaults.objects.get_or_create(pk=DEFAULTS_KEY)
    return FleetDefaults.objects.select_for_update().get(pk=DEFAULTS_KEY)

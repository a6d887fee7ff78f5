"""Execution presets: named options that the fleet, models, agents and tasks ask for."""

from typing import Any

from django.db import transaction

from orchestration import events
from orchestration.errors import Conflict, NotFound
from orchestration.models import Agent, FleetDefaults, ModelConfig, Preset
from orchestration.permissions import SYSTEM, Action, Actor, require
from orchestration.policy.presets import BUILT_IN, BuiltIn
from orchestration.queries.presets import users_of
from orchestration.services import audit
from orchestration.services.fields import apply, save
from orchestration.services.manners import check_values

FIELDS = ("name", "description", "options", "think")
_SHOWN = 5


@transaction.atomic
def create(*, actor: Actor, **fields: Any) -> Preset:
    """Raises InvalidInput with every problem named, Conflict when the name is taken."""
    require(actor, Action.ADD_PRESET)
    preset = Preset()
    _save(preset, fields)
    audit.record(actor, "preset.created", preset)
    _announce(preset, "created")
    return preset


@transaction.atomic
def update(*, actor: Actor, preset_id: int, **fields: Any) -> Preset:
    """Changes the given fields; whatever names it goes on naming it. Tasks that are submitted already keep what they
    were submitted with."""
    require(actor, Action.EDIT_MODEL)
    preset = _locked(preset_id)
    before = _values(preset)
    if preset.built_in and fields.get("name", preset.name) != preset.name:
        raise Conflict(f"{preset.name} comes with Drover and keeps its name; copy it under another one.", field="name")
    _save(preset, fields)
    if preset.name != before["name"]:
        _rename(preset, str(before["name"]))
    audit.record(actor, "preset.changed", preset, changes=audit.changes(before, _values(preset)))
    _announce(preset, "changed")
    return preset


def restore(*, actor: Actor, preset_id: int) -> Preset:
    """A built-in one is again as it came with Drover."""
    preset = Preset.objects.filter(pk=preset_id, name__in=BUILT_IN).first()
    if preset is None:
        raise NotFound(f"There is no built-in preset {preset_id}.")
    return update(actor=actor, preset_id=preset_id, **_as_built_in(BUILT_IN[preset.name]))


@transaction.atomic
def delete(*, actor: Actor, preset_id: int) -> None:
    """Raises Conflict with all that names it."""
    require(actor, Action.EDIT_MODEL)
    preset = _locked(preset_id)
    if preset.built_in:
        raise Conflict(f"{preset.name} comes with Drover and stays.")
    if users := users_of(preset.name):
        names = ", ".join(user["words"] for user in users[:_SHOWN])
        more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
        raise Conflict(f"{preset.name} is used by {names}{more}. Give these another preset first.", used_by=users)
    audit.record(actor, "preset.deleted", preset)
    _announce(preset, "deleted")
    preset.delete()


def ensure_built_in() -> None:
    """Writes down those that are not there yet; what people made of them stays."""
    there = set(Preset.objects.filter(name__in=BUILT_IN).values_list("name", flat=True))
    for name, preset in BUILT_IN.items():
        if name not in there:
            row = create(actor=SYSTEM, name=name, **_as_built_in(preset))
            Preset.objects.filter(pk=row.pk).update(built_in=True)


def _as_built_in(preset: BuiltIn) -> dict[str, Any]:
    return {"description": preset.about, "options": dict(preset.options), "think": preset.think}


def _rename(preset: Preset, before: str) -> None:
    """Versions of workflows are as they were saved, so one that names it would find it no more."""
    if workflows := [user for user in users_of(before) if user["kind"] == "workflow"]:
        names = ", ".join(user["words"] for user in workflows[:_SHOWN])
        raise Conflict(f"{before} is named by {names}: change these first.", field="name", used_by=workflows)
    for kind in (Agent, ModelConfig, FleetDefaults):
        kind.objects.filter(preset=before).update(preset=preset.name)


def _values(preset: Preset) -> dict[str, Any]:
    return {name: getattr(preset, name) for name in FIELDS}


def _announce(preset: Preset, change: str) -> None:
    events.on_commit(("preset", {"name": preset.name, "change": change}), wake=True)


def _locked(preset_id: int) -> Preset:
    preset = Preset.objects.select_for_update().filter(pk=preset_id).first()
    if preset is None:
        raise NotFound(f"There is no preset {preset_id}.")
    return preset


def _save(preset: Preset, fields: dict[str, Any]) -> None:
    apply(preset, fields, FIELDS)
    preset.name = preset.name.strip() if isinstance(preset.name, str) else ""
    problems = check_values(preset, runner=False)
    if preset.name.isdigit():
        problems["name"] = "A name of digits alone could be mistaken for an id."
    save(preset, problems=problems)

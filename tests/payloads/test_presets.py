"""Presets and the fleet's defaults on the wire."""

from orchestration.models import FleetDefaults, Preset
from orchestration.payloads import fleet_defaults, preset


def test_a_preset_leaves_with_its_values() -> None:
    row = Preset(pk=3, name="fast", description="Short.", options={"seed": 1}, think=False, built_in=True)
    values = {"options": {"seed": 1}, "think": False, "built_in": True}
    assert preset(row) == {"id": 3, "name": "fast", "description": "Short.", **values}


def test_what_is_not_decided_leaves_as_null_or_empty() -> None:
    empty = {"default_model": "", "preset": "", "options": {}, "think": None}
    assert fleet_defaults(FleetDefaults()) == {**empty, "timeout_seconds": None, "keep_alive_seconds": None}

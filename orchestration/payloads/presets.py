"""Presets and the fleet's defaults on the wire."""

from typing import Any

from typing_extensions import TypedDict

from orchestration.models import FleetDefaults, Preset


class PresetPayload(TypedDict):
    """``options`` are put under the own options of whatever names it."""

    id: int
    name: str
    description: str
    options: dict[str, Any]
    think: bool | str | None
    built_in: bool


class DefaultsPayload(TypedDict):
    """Of the fleet. Null and empty where nothing is decided."""

    default_model: str
    preset: str
    options: dict[str, Any]
    think: bool | str | None
    timeout_seconds: float | None
    keep_alive_seconds: float | None


class InForce(TypedDict):
    """A value that holds, as the node is told it, and who decided it. ``name``: an Ollama option, think, format,
    timeout_seconds or keep_alive_seconds."""

    name: str
    value: Any
    origin: str


def preset(row: Preset) -> PresetPayload:
    return PresetPayload(
        id=row.pk,
        name=row.name,
        description=row.description,
        options=row.options,
        think=row.think,
        built_in=row.built_in,
    )


def fleet_defaults(row: FleetDefaults) -> DefaultsPayload:
    return DefaultsPayload(
        default_model=row.default_model,
        preset=row.preset,
        options=row.options,
        think=row.think,
        timeout_seconds=row.timeout_seconds,
        keep_alive_seconds=row.keep_alive_seconds,
    )

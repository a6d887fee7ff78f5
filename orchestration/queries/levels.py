"""What each level says of how tasks are done: the settings, the fleet's defaults, models, agents; and the presets they
name. Many tasks of one submission, or attempts of one commit, read it once."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from django.conf import settings

from orchestration.errors import InvalidInput
from orchestration.models import Agent, FleetDefaults, ModelConfig, Preset
from orchestration.policy.agent_kinds import manner
from orchestration.policy.effective import FLEET, SETTINGS, TASK, USUAL, Level, PresetValues, of_agent, of_model
from orchestration.policy.presets import BUILT_IN

DEFAULTS_KEY = 1


def fleet_defaults() -> FleetDefaults:
    """An empty one where nobody decided anything."""
    return FleetDefaults.objects.filter(pk=DEFAULTS_KEY).first() or FleetDefaults(pk=DEFAULTS_KEY)


class Levels:
    """Reads the defaults and the presets when they are first needed, each once."""

    @cached_property
    def defaults(self) -> FleetDefaults:
        return fleet_defaults()

    @cached_property
    def presets(self) -> dict[str, PresetValues]:
        """By name; the built-in ones are there before anything has written them down."""
        rows = Preset.objects.order_by().values_list("name", "options", "think")
        return {
            **BUILT_IN,
            **{name: PresetValues(name=name, options=options, think=think) for name, options, think in rows},
        }

    def preset(self, name: str) -> PresetValues | None:
        """None where none is named, or the one that is named is gone."""
        return self.presets.get(name) if name else None

    def wanted(self, name: str) -> PresetValues | None:
        """The same for one that somebody names now. Raises InvalidInput that names what is near."""
        found = self.preset(name)
        if name and found is None:
            near = get_close_matches(name, self.presets, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(sorted(self.presets))}."
            raise InvalidInput(f"There is no preset {name[:80]}. {hint}", field="preset", choices=sorted(self.presets))
        return found

    usual = Level(origin=USUAL, think=True)
    """Models that can think do, unless they are told otherwise; it is said aloud where nobody does."""

    @cached_property
    def settings(self) -> Level:
        return Level(
            origin=SETTINGS,
            options={"num_ctx": settings.DROVER_DEFAULT_NUM_CTX},
            keep_alive_seconds=settings.DROVER_KEEP_ALIVE.total_seconds(),
        )

    @cached_property
    def fleet(self) -> Level:
        row = self.defaults
        return Level(
            origin=FLEET,
            options=row.options,
            think=row.think,
            timeout_seconds=row.timeout_seconds,
            keep_alive_seconds=row.keep_alive_seconds,
            preset=self.preset(row.preset),
        )

    def model(self, row: ModelConfig | None, name: str) -> Level:
        if row is None:
            return Level(origin=of_model(name))
        return Level(
            origin=of_model(name),
            options=row.options,
            think=row.think,
            timeout_seconds=row.timeout_seconds,
            keep_alive_seconds=row.keep_alive_seconds,
            preset=self.preset(row.preset),
        )

    def model_num_ctx(self, name: str, num_ctx: int | None, preset: str) -> Level:
        """As much of a model's level as decides where its tasks wait."""
        options = {} if num_ctx is None else {"num_ctx": num_ctx}
        return Level(origin=of_model(name), options=options, preset=self.preset(preset))

    def agent(self, row: Agent) -> Level:
        """What its kind does counts less than the preset that it names."""
        preset = self.preset(row.preset)
        by_kind = manner(row.kind).think if preset is None or preset.think is None else None
        return Level(
            origin=of_agent(row.name),
            options=row.options,
            think=by_kind if row.think is None else row.think,
            format=row.answer_schema,
            timeout_seconds=row.timeout_seconds,
            preset=preset,
        )

    def task(self, options: Mapping[str, Any], preset: PresetValues | None = None, **said: Any) -> Level:
        return Level(origin=TASK, options=options, preset=preset, lengthens=True, **said)

"""Presets by id and name, and who uses them; tests/services/test_presets.py has the rest."""

import pytest

from orchestration.errors import NotFound
from orchestration.models import Agent, Preset
from orchestration.queries.presets import get_preset, presets, users_of

pytestmark = pytest.mark.django_db


def test_built_in_ones_come_first() -> None:
    Preset.objects.create(name="aaa")
    Preset.objects.create(name="zzz", built_in=True)
    assert [row["name"] for row in presets()] == ["zzz", "aaa"]


def test_one_is_found_by_id_and_by_name() -> None:
    row = Preset.objects.create(name="aaa")
    assert get_preset(row.pk) == get_preset("aaa") == row
    with pytest.raises(NotFound, match="bbb"):
        get_preset("bbb")


def test_nobody_uses_what_nobody_names(agent: Agent) -> None:
    assert users_of("aaa") == []
    Agent.objects.update(preset="aaa")
    assert users_of("aaa") == [{"kind": "agent", "id": agent.pk, "name": "writer", "words": "agent writer"}]

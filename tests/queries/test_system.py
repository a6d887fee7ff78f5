"""What Drover runs with."""

from typing import Any

import pytest

from orchestration.models import FleetDefaults
from orchestration.queries.system import settings_in_force, size, system


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (999, "999 bytes"), (4_900_000_000, "4.9 GB"), (5 * 10**15, "5000.0 TB")]
)
def test_sizes_are_told_in_round_figures(count: int, words: str) -> None:
    assert size(count) == words


def test_the_fleets_defaults_come_before_the_settings(db: None) -> None:
    FleetDefaults.objects.create(pk=1, keep_alive_seconds=90)
    rows = {row["name"]: row for row in settings_in_force()["settings"]}
    keep_alive = rows["DROVER_KEEP_ALIVE_SECONDS"]
    assert (keep_alive["value"], keep_alive["source"], keep_alive["unless"]) == ("90", "fleet defaults", "1800")


def test_a_disk_that_cannot_be_looked_at_is_told(db: None, settings: Any, tmp_path: Any, redis_server: object) -> None:
    settings.DROVER_DATA = tmp_path / "gone"
    disk = next(part for part in system()["parts"] if part["name"] == "Disk")
    assert disk["facts"] == [{"name": "data folder", "text": "cannot be looked at", "state": "failed"}]

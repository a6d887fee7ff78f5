"""Settings that hold and the machine below, over REST."""

from typing import Any

import pytest
from django.utils import timezone

from orchestration.permissions import Actor
from orchestration.services import defaults, processes

from .conftest import ApiClient, refusal


def test_every_setting_says_its_value_its_source_and_what_it_is_for(carol_api: ApiClient) -> None:
    rows = {row["name"]: row for row in carol_api.get("settings").json()["settings"]}
    assert rows["DROVER_STAY"]["source"] == "default"
    assert rows["SECRET_KEY"]["value"] == "set; not shown"
    assert rows["DROVER_DATA"]["source"] == "environment"
    assert rows["DROVER_KEEP_ALIVE_SECONDS"] == {
        "name": "DROVER_KEEP_ALIVE_SECONDS",
        "group": "Nodes and models",
        "help": "How long models stay loaded.",
        "value": "1800",
        "default": "1800",
        "source": "default",
        "unless": "",
    }


def test_what_the_fleets_defaults_say_comes_before_the_settings(
    carol_api: ApiClient, as_alice: Actor, redis_server: object
) -> None:
    defaults.update(actor=as_alice, keep_alive_seconds=60.0, options={"num_ctx": 8192})
    rows = {row["name"]: row for row in carol_api.get("settings").json()["settings"]}
    for name, value, unless in (
        ("DROVER_KEEP_ALIVE_SECONDS", "60", "1800"),
        ("DROVER_DEFAULT_NUM_CTX", "8192", "4096"),
    ):
        assert (rows[name]["value"], rows[name]["source"], rows[name]["unless"]) == (value, "fleet defaults", unless)


def test_a_setting_that_does_not_exist_is_told(carol_api: ApiClient, settings: Any) -> None:
    settings.DROVER_UNKNOWN = [{"name": "DROVER_STAI", "near": "DROVER_STAY"}]
    assert carol_api.get("settings").json()["unknown"] == settings.DROVER_UNKNOWN


def facts_of(api: ApiClient) -> dict[str, dict[str, Any]]:
    return {part["name"]: {fact["name"]: fact for fact in part["facts"]} for part in api.get("system").json()["parts"]}


def test_the_system_tells_of_its_parts(carol_api: ApiClient, redis_server: object) -> None:
    beat = {"name": "w1", "hostname": "box", "pid": 7, "capacity": 250, "in_use": 3, "stopping": False}
    processes.worker_beat(**beat, started_at=timezone.now())
    found = facts_of(carol_api)
    assert list(found) == ["Drover", "Database", "Redis", "Processes", "Disk"]
    assert found["Database"]["migrations"]["text"] == "all run"
    assert found["Redis"]["version"]["state"] == "ok"
    assert found["Processes"]["w1"] == {"name": "w1", "text": "3 of 250 streams on box, process 7", "state": "ok"}
    assert found["Processes"]["scheduler"]["state"] == "failed"


def test_a_redis_that_is_away_is_told(carol_api: ApiClient, redis_server: Any) -> None:
    redis_server.stop()
    assert facts_of(carol_api)["Redis"]["answers"]["state"] == "failed"


@pytest.mark.parametrize("path", ["settings", "system"])
def test_strangers_see_nothing(path: str, anybody: ApiClient) -> None:
    refusal(anybody.get(path), 401, "not_authenticated")

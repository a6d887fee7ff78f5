"""Every setting as it holds here, with its help, and without anything secret."""

from pathlib import Path
from typing import Any

import pytest

from dashboard.setting_help import HELP, OTHERS, in_force, shown, unknown
from dashboard.settings import Environment


def rows(monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, dict[str, Any]]:
    for name in Environment.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return {row["name"]: row for row in in_force(Environment())}


@pytest.mark.parametrize("name", list(Environment.model_fields))
def test_every_setting_has_its_help(name: str) -> None:
    assert HELP.get(name, "").endswith("."), f"say in dashboard/setting_help.py what {name} is for"


def test_no_help_is_for_a_setting_that_is_gone() -> None:
    assert set(HELP) - set(Environment.model_fields) == set()


def test_a_setting_says_where_its_value_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rows(monkeypatch, DROVER_LEASE_SECONDS="20", ALLOWED_HOSTS="a.lan, b.lan", DROVER_PRELOAD="false")
    lease = found["DROVER_LEASE_SECONDS"]
    assert (lease["value"], lease["default"], lease["source"]) == ("20", "15", "environment")
    assert found["ALLOWED_HOSTS"]["value"] == "a.lan, b.lan"
    assert found["DROVER_PRELOAD"]["value"] == "false"
    assert (found["DROVER_STAY"]["value"], found["DROVER_STAY"]["source"]) == ("6", "default")
    assert len(found) == len(Environment.model_fields)
    assert all(row["group"] != OTHERS for row in found.values())


def test_a_key_that_was_made_at_the_first_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rows(monkeypatch)["SECRET_KEY"]
    assert (found["value"], found["source"]) == ("set; not shown", "data folder")


def test_nothing_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rows(
        monkeypatch,
        SECRET_KEY="hush-one",
        DROVER_SECRETS_KEYS="hush-two-is-long-enough,hush-three-is-long-enough",
        DATABASE_URL="postgresql://drover:hush-four@db.lan:5432/drover?password=hush-five",
        REDIS_URL="rediss://:hush-six@redis.lan:6379/0",
    )
    assert "hush" not in str(found)
    assert found["DATABASE_URL"]["value"] == "postgresql://…@db.lan:5432/drover?…"
    assert found["REDIS_URL"]["value"] == "rediss://…@redis.lan:6379/0"
    assert found["SECRET_KEY"]["value"] == "set; not shown"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, ""),
        (200_000, "200000"),
        (33554432.0, "33554432"),
        (0.5, "0.5"),
        (Path("/a/b"), "/a/b"),
        ("http://[?", "set; not shown"),
        ("unix:///tmp/x.sock", "unix:///tmp/x.sock"),
    ],
)
def test_values_are_shown_as_the_environment_has_them(value: Any, words: str) -> None:
    assert shown("drover_x", value) == words


def test_a_setting_that_does_not_exist_is_told_with_what_may_be_meant() -> None:
    environment = {"DROVER_LEASE_SECOND": "5", "DROVER_URL": "x", "PATH": "y", "DROVER_STAY": "3"}
    assert unknown(Environment(), environment) == [{"name": "DROVER_LEASE_SECOND", "near": "DROVER_LEASE_SECONDS"}]

"""The pages of the settings: what holds and why, the system, and what helps others to see what is wrong."""

from typing import Any

import pytest
from django.test import Client

from orchestration.models import User
from orchestration.services import defaults
from orchestration.services.users import actor_of


@pytest.fixture
def page(carol: User, redis_server: object) -> Any:
    client = Client()
    client.force_login(carol)

    def get(path: str) -> str:
        response = client.get(path)
        assert response.status_code == 200
        return response.content.decode()

    return get


def test_settings_stand_in_groups_with_value_source_and_help(page: Any, alice: User) -> None:
    defaults.update(actor=actor_of(alice, via="test"), keep_alive_seconds=60.0)
    text = page("/settings")
    assert "Scheduling" in text
    assert "DROVER_STAY" in text
    assert "A busy model stays for so many load times" in text
    assert "else 1800" in text
    assert "only for tests" not in text


def test_settings_are_found_by_their_words(page: Any) -> None:
    text = page("/settings?q=lease+renew")
    assert "DROVER_LEASE_RENEW_SECONDS" in text
    assert "DROVER_STAY" not in text
    assert "No setting matches" in page("/settings?q=nothing-like-this")


def test_only_what_is_set_here_can_be_shown(page: Any) -> None:
    text = page("/settings?changed=on")
    assert "DROVER_DATA" in text
    assert "DROVER_STAY" not in text


def test_a_setting_that_does_not_exist_is_told(page: Any, settings: Any) -> None:
    settings.DROVER_UNKNOWN = [{"name": "DROVER_STAI", "near": "DROVER_STAY"}]
    assert "DROVER_STAI" in page("/settings?q=lease")


def test_the_system_page_tells_of_its_parts(page: Any) -> None:
    text = page("/settings/system")
    for words in ("Database", "Redis", "Processes", "none is running", "all run"):
        assert words in text


def test_diagnostics_have_no_secrets(carol: User, redis_server: object, settings: Any) -> None:
    client = Client()
    client.force_login(carol)
    response = client.get("/settings/diagnostics")
    assert response["Content-Disposition"] == 'attachment; filename="drover-diagnostics.json"'
    assert set(response.json()) == {"system", "health", "settings", "nodes", "errors"}
    assert settings.SECRET_KEY not in response.content.decode()


@pytest.mark.parametrize("path", ["/settings", "/settings/system", "/settings/diagnostics", "/settings/transfer"])
def test_strangers_are_sent_to_the_login(path: str, db: None) -> None:
    assert Client().get(path).status_code == 302

"""Logging in stores an address and a key that work, and shows neither key nor file to others."""

import stat

import pytest

from tests.cli.conftest import KEY


@pytest.fixture
def file(config_home, drover):
    drover.environment |= {"DROVER_URL": None, "DROVER_API_KEY": None}
    return config_home / "drover" / "config.toml"


def test_a_key_that_works_is_stored_and_used_from_then_on(drover, server, file):
    server.on("GET", "metrics", {})
    server.on("GET", "agents", {"agents": [], "next_cursor": None})
    outcome = drover("login", server.url, stdin=f"{KEY}\n")
    assert (outcome.exit_code, outcome.stdout) == (0, f"Logged in to {server.url}; stored in {file}.\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert drover("list-agents").exit_code == 0


def test_a_key_that_does_not_work_is_not_stored(drover, server, file):
    assert drover("login", server.url, "--api-key", "wrong").exit_code == 3
    assert drover("login", server.url, stdin="\n").exit_code == 2
    assert not file.exists()


def test_logging_out_forgets_the_key_and_keeps_the_address(drover, server, file):
    drover("config", "set", "url", server.url)
    drover("config", "set", "api_key", "-", stdin=f"{KEY}\n")
    assert drover("config").stdout.splitlines() == [f"url:     {server.url}", "api_key: set", f"file:    {file}"]
    assert KEY not in drover("config", "--json").stdout
    drover("logout")
    assert file.read_text() == f'url = "{server.url}"\n'


def test_a_key_for_another_address_is_reported(drover, server, file):
    drover("config", "set", "url", server.url)
    drover("config", "set", "api_key", KEY)
    outcome = drover("config", "--url", "http://elsewhere")
    assert outcome.exit_code == 3
    assert "for another address" in outcome.stderr


def test_settings_that_do_not_exist_are_refused(drover, file):
    assert drover("config", "set", "key", "x").exit_code == 2
    assert drover("config", "set", "url", "ftp://x").exit_code == 2
    assert not file.exists()

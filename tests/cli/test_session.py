"""Every command has the same flags, before or after its name, and tells failures in the same way."""

import os

import pytest
import typer

from orchestration.cli import configuration
from orchestration.cli.failures import Refused
from orchestration.cli.session import Flags, Session, told

from .conftest import KEY

AGENTS = {"agents": [], "next_cursor": None}


@pytest.mark.parametrize("arguments", [("--json", "list-agents"), ("list-agents", "--json")])
def test_json_may_stand_before_or_behind(drover, server, arguments):
    server.on("GET", "agents", AGENTS)
    assert drover(*arguments).json == AGENTS


def test_flags_win_over_the_environment_wherever_they_stand(drover, server):
    server.on("GET", "agents", AGENTS)
    drover.environment |= {"DROVER_URL": "http://127.0.0.1:9", "DROVER_API_KEY": "wrong"}
    assert drover("--url", server.url, "list-agents", "--api-key", KEY).exit_code == 0
    assert drover("--url", "http://127.0.0.1:9", "list-agents", "--url", server.url, "--api-key", KEY).exit_code == 0


def test_refusals_go_to_stderr_with_their_status(drover, server):
    server.refuse("GET", "agents/wrter", 404, "not_found", "There is no agent 'wrter'. Did you mean writer?")
    outcome = drover("show-agent", "wrter")
    assert (outcome.exit_code, outcome.stdout) == (4, "")
    assert outcome.stderr == "Error: There is no agent 'wrter'. Did you mean writer?\n"
    scripted = drover("show-agent", "wrter", "--json")
    assert scripted.json["error"]["code"] == "not_found"
    assert scripted.exit_code == 4


def test_what_is_mistyped_is_a_misuse(drover):
    assert drover("run-taks").exit_code == 2
    assert drover("list-agents", "--limit", "0").exit_code == 2
    assert drover("list-agents", "--url", "ftp://a").exit_code == 2


def test_an_interruption_has_its_own_status(capsys):
    def interrupted(session):
        raise KeyboardInterrupt("Run 12 goes on.")

    with pytest.raises(typer.Exit) as caught:
        told(Session(Flags()), interrupted)
    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == "Run 12 goes on.\n"


def test_nobody_is_asked_before_something_is_needed(drover, server):
    assert drover("cancel").exit_code == 2
    assert drover("run-tasks", "writer", "--tasks", "no type").exit_code == 2
    assert server.calls == []


def test_a_key_that_others_can_read_is_warned_about(drover, server, config_home):
    server.on("GET", "agents", AGENTS)
    path = config_home / "drover" / "config.toml"
    configuration.save(path, {"url": server.url, "api_key": KEY})
    drover.environment |= {"DROVER_URL": None, "DROVER_API_KEY": None}
    assert drover("list-agents").stderr == ""
    path.chmod(0o644)
    assert "chmod 600" in drover("list-agents").stderr


def test_a_reader_that_has_had_enough_is_no_failure(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)

    def writes(session):
        raise BrokenPipeError

    with os.fdopen(writing, "w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        with pytest.raises(typer.Exit) as caught:
            told(Session(Flags()), writes)
    assert caught.value.exit_code == 0


def test_the_hint_of_a_failure_comes_with_it(capsys):
    def fails(session):
        raise Refused("No.", "Wait.")

    with pytest.raises(typer.Exit):
        told(Session(Flags()), fails)
    assert capsys.readouterr().err == "Error: No.\nWait.\n"

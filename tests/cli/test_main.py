"""The command as a whole: reachable in both ways, documented, quick to start, and alone."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from orchestration.cli.main import app, commands

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", commands())
def test_every_command_explains_itself(name):
    result = CliRunner().invoke(app, [*name.split(), "--help"])
    assert result.exit_code == 0, result.output
    assert "--json" in result.output or name in ("defaults", "memories")


def test_every_command_is_there_in_both_ways():
    whole = get_command(app).commands
    assert whole["orchestrate"].commands.keys() == whole.keys() - {"orchestrate"}
    assert {"run-tasks", "workflows apply", "chat"} <= set(commands())


def test_orchestrate_is_another_name_for_the_same(drover, server):
    server.on("GET", "agents", {"agents": [], "next_cursor": None})
    assert drover("orchestrate", "list-agents", "--json").json == drover("list-agents", "--json").json


def test_the_exit_statuses_are_in_the_help():
    assert "130 interrupted" in " ".join(CliRunner().invoke(app, ["--help"]).output.split())


def test_it_brings_nothing_of_the_server_along():
    code = "import sys, orchestration.cli.main; print(*(n for n in sys.modules if n.startswith(('django', 'orch'))))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    found = [name for name in done.stdout.split() if not name.startswith("orchestration.cli")]
    assert found == ["orchestration"]


def test_the_console_script_is_this_command_and_what_builds_it_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["scripts"] == {"drover": "orchestration.cli.main:main"}
    for name in ("base", "dev"):
        assert "\nsetuptools==" in (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")

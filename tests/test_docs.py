"""The README names everything that people can set, call, run or meet."""

import re
from pathlib import Path

import pytest

from dashboard.settings import Environment
from orchestration import errors
from orchestration.api import api
from orchestration.cli.main import commands as cli_commands

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _settings() -> list[str]:
    return [name.upper() for name in Environment.model_fields]


def _commands() -> list[str]:
    apps = ("orchestration", "dashboard")
    files = [path for app in apps for path in (ROOT / app / "management/commands").glob("*.py")]
    return sorted(path.stem for path in files if path.stem != "__init__")


def _error_codes(kind: type[errors.DroverError] = errors.DroverError) -> set[str]:
    return {kind.code}.union(*map(_error_codes, kind.__subclasses__()))


def _routes() -> list[str]:
    schema = api.get_openapi_schema(path_prefix="/api/orchestration/")
    return [f"{method.upper()} {path}" for path, item in schema["paths"].items() for method in item]


def _without_names(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/")


def _documented_routes() -> set[str]:
    """README rows say ``GET POST tasks/{id}`` in code marks, below /api/orchestration/."""
    found = set()
    for methods, path in re.findall(r"`((?:(?:GET|POST|PUT|PATCH|DELETE) )+)(\S+)`", README):
        full = path if path.startswith("/") else f"/api/orchestration/{path}"
        found.update(f"{method} {_without_names(full)}" for method in methods.split())
    return found


@pytest.mark.parametrize("name", _settings())
def test_every_setting_is_in_the_readme(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", _commands())
def test_every_command_is_in_the_readme(name):
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", cli_commands())
def test_every_command_of_the_command_line_is_in_the_readme(name):
    section = README.partition("\n## Command line\n")[2].partition("\n## ")[0]
    assert re.search(rf"`{name}[ `]", section)


@pytest.mark.parametrize("code", sorted(_error_codes()))
def test_every_error_code_is_in_the_readme(code):
    assert f"`{code}`" in README


def test_every_route_is_in_the_readme():
    assert {_without_names(route) for route in _routes()} - _documented_routes() == set()


def test_the_readme_names_no_route_that_does_not_exist():
    own = {route for route in _documented_routes() if " /api/orchestration/" in route}
    assert own - {_without_names(route) for route in _routes()} == set()


def test_every_make_target_is_in_the_readme_or_in_help():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    documented = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    assert {"run", "test", "check", "bench", "lock"} <= set(documented)
    assert all(f"make {name}" in README for name in ("run", "test", "check", "bench"))

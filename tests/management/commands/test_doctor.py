"""The doctor's report and exit status."""

import pytest
from django.core.management import call_command

from orchestration.management import checks
from orchestration.management.checks import Finding


@pytest.fixture
def finds(monkeypatch):
    return lambda *findings: monkeypatch.setattr(checks, "of_running", lambda url: iter(findings))


def test_everything_well_ends_in_order(finds, capsys):
    finds(Finding(ok=True, name="redis", text="6.2"), Finding(ok=None, name="ollama", text="none"))
    call_command("doctor")
    assert [line.split()[1:] for line in capsys.readouterr().out.splitlines()] == [["redis", "6.2"], ["ollama", "none"]]


def test_one_failure_is_an_exit_status_and_says_what_mends_it(finds, capsys):
    finds(Finding(ok=False, name="web", text="not running", fix="Start it."), Finding(ok=True, name="x", text="y"))
    with pytest.raises(SystemExit) as ended:
        call_command("doctor")
    assert ended.value.code == 1
    assert "Start it." in capsys.readouterr().out

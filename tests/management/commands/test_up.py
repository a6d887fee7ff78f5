"""What may be asked of ``up``, and what it refuses before anything is started."""

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from orchestration.management import checks, startup
from orchestration.management.checks import Finding


@pytest.fixture
def wishes(monkeypatch, tmp_path):
    """Calls up and returns what would have been started."""
    seen = []

    async def run(self):
        seen.append(self.wishes)
        return 0

    monkeypatch.setattr(startup.Startup, "run", run)
    monkeypatch.setattr(settings, "DROVER_DATA", tmp_path)
    monkeypatch.delenv("PORT", raising=False)

    def up(*arguments):
        call_command("up", *arguments)
        return seen[-1]

    return up


def test_without_options_it_is_one_worker_on_port_8000_or_the_next(wishes):
    asked = wishes()
    assert (asked.host, asked.port, asked.port_asked_for, asked.workers) == ("127.0.0.1", 8000, False, 1)
    assert asked.open_browser
    assert not asked.demo


def test_a_port_may_be_asked_for_by_option_or_environment(wishes, monkeypatch):
    monkeypatch.setenv("PORT", "8123")
    assert (wishes().port, wishes().port_asked_for) == (8123, True)
    assert wishes("--port", "8200").port == 8200


def test_a_port_that_is_no_number_is_refused(wishes, monkeypatch):
    monkeypatch.setenv("PORT", "http")
    with pytest.raises(CommandError, match="PORT"):
        wishes()


def test_no_worker_at_all_is_refused(wishes):
    with pytest.raises(CommandError, match="--workers"):
        wishes("--workers", "0")


def test_a_data_folder_that_cannot_be_written_is_refused(wishes, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(settings, "DROVER_DATA", tmp_path / "file")
    with pytest.raises(CommandError, match="DROVER_DATA"):
        wishes()


def test_the_demo_setting_asks_for_the_demo(wishes, monkeypatch):
    monkeypatch.setattr(settings, "DROVER_DEMO", True)
    assert wishes("--no-browser").demo
    assert not wishes("--no-browser").open_browser


@pytest.mark.parametrize(("ok", "status"), [(True, None), (None, None), (False, 1)])
def test_check_starts_nothing_and_tells_by_its_exit_status(wishes, monkeypatch, capsys, ok, status):
    monkeypatch.setattr(checks, "before_start", lambda: iter([Finding(ok=ok, name="redis", text="found")]))
    if status is None:
        call_command("up", "--check")
    else:
        with pytest.raises(SystemExit) as ended:
            call_command("up", "--check")
        assert ended.value.code == status
    assert "found" in capsys.readouterr().out

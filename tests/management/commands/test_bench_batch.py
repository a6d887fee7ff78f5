"""A small measurement from end to end, in processes of its own, and how it is told."""

import os
import subprocess
import sys
import tempfile
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from orchestration.management import batch_bench, page_watch
from orchestration.management.batch_bench import Found
from orchestration.management.commands.bench_batch import told
from orchestration.management.page_watch import PageFound

MEMORY = {"web": (100.0, 110.0, 105.0), "worker": (90.0, 190.0, 180.0)}
FINE = {"rows": 5000, "seconds": 25.0, "looks": 90, "exported": 5000, "memory": MEMORY}


def test_every_figure_is_told_with_its_verdict():
    page = PageFound(share=0.08, seconds=24.0, heap_mb=(2.2, 2.4), looks=50, last={"completed": 5000})
    lines = told(Found(**FINE, page=page))
    assert lines[0] == "5,000 rows in 25.0 s: 200 rows/s"
    assert lines[3].endswith("100 MB before, 110 at most, 105 after the export: flat")
    assert lines[4].endswith("180 after the export: GREW")
    assert "8.0 % of its main thread over 24 s: met" in lines[5]
    assert "MISSED" in told(Found(**FINE, page=PageFound(share=0.2)))[5]


def test_what_is_wrong_is_listed_and_fails_the_command(monkeypatch):
    monkeypatch.setattr(batch_bench, "measure", lambda *_, **__: Found(**FINE, wrong=["4 of 5 rows"]))
    out = StringIO()
    with pytest.raises(CommandError, match="wrong"):
        call_command("bench_batch", "--no-browser", "--database", "sqlite", stdout=out)
    assert "  ! 4 of 5 rows" in out.getvalue()


@pytest.mark.parametrize("words", [("--rows", "0"), ("--nodes", "0")])
def test_nonsense_is_an_error(words):
    with pytest.raises(CommandError, match=words[0]):
        call_command("bench_batch", *words)


def test_without_a_browser_the_page_has_to_be_left_out(monkeypatch):
    monkeypatch.setattr(page_watch, "browser_path", lambda: None)
    with pytest.raises(CommandError, match="--no-browser"):
        call_command("bench_batch", "--database", "sqlite")


@pytest.fixture
def short_folder():
    """Paths of sockets must be short."""
    with tempfile.TemporaryDirectory(prefix="b-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.processes
def test_a_small_batch_is_counted_exported_and_compared(short_folder):
    options = ("--rows", "60", "--nodes", "1", "--no-browser")
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench_batch", *options]
    environment = {**os.environ, "TMPDIR": str(short_folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "export: 60 rows, 0 that differ from the database" in done.stdout
    assert list(short_folder.iterdir()) == []

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
from django.db import connection

from orchestration.management import stock, throughput
from orchestration.management.commands import bench_throughput
from orchestration.management.throughput import Found


def test_every_number_of_workers_and_of_nodes_is_measured_beside_a_plain_project(monkeypatch):
    asked = []

    def measure(tasks, *, workers, nodes, database_url):
        asked.append((tasks, workers, nodes, database_url))
        return Found(tasks=tasks, seconds=tasks / (250 * workers), cpu_ms={"web": 0.5, "worker": 1.25})

    def plain(tasks, *, workers, nodes, database_url):
        asked.append(("plain", tasks, workers, nodes))
        return Found(tasks=tasks, seconds=tasks / 25)

    monkeypatch.setattr(throughput, "measure", measure)
    monkeypatch.setattr(stock, "measure", plain)
    out = StringIO()
    options = ("--tasks", "2000", "--workers", "1,2,4", "--nodes", "1,3", "--database", "sqlite")
    call_command("bench_throughput", *options, stdout=out)
    cases = [(2000, 1, 1, ""), (2000, 2, 1, ""), (2000, 4, 1, ""), (2000, 1, 3, "")]
    assert asked == [*cases, ("plain", 100, 4, 1)]
    lines = out.getvalue().splitlines()
    assert "2,000 tasks" in lines[0]
    assert [line.split("tasks/s")[1].split("CPU")[0].strip() for line in lines[1:5]] == [
        *("MISSED", "met", "aim met", "MISSED")
    ]
    assert "web 0.50, worker 1.25" in lines[1]
    assert lines[-1].endswith("10.0 times that of the plain project")


@pytest.mark.parametrize("words", [("--workers", "0"), ("--workers", "one"), ("--nodes", ""), ("--tasks", "0")])
def test_nonsense_is_an_error(words):
    with pytest.raises(CommandError, match=words[0]):
        call_command("bench_throughput", *words)


def test_a_postgresql_that_is_not_configured_is_an_error():
    if connection.vendor == "postgresql":
        return  # it is configured
    assert bench_throughput.database_url(None) == ""
    with pytest.raises(CommandError, match="DATABASE_URL"):
        call_command("bench_throughput", "--database", "postgresql")


@pytest.fixture
def short_folder():
    """Paths of sockets must be short."""
    with tempfile.TemporaryDirectory(prefix="b-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.processes
def test_it_brings_every_task_to_its_end_and_leaves_nothing_behind(short_folder):
    numbers = ("--tasks", "60", "--workers", "1", "--nodes", "2", "--stock-workers", "1")
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench_throughput", *numbers]
    environment = {**os.environ, "TMPDIR": str(short_folder)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 worker, 2 nodes" in done.stdout
    assert "plain RQ, 1 fork worker " in done.stdout
    assert list(short_folder.iterdir()) == []

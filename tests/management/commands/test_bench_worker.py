"""A small measurement from end to end, in processes of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.processes


@pytest.fixture
def short_folder():
    """Paths of sockets must be short."""
    with tempfile.TemporaryDirectory(prefix="b-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="it measures through /proc")
def test_it_prints_costs_and_delays_and_leaves_nothing_behind(short_folder):
    options = ("--streams", "5", "--stock-streams", "3", "--limit", "110")
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "bench_worker", *options]
    done = subprocess.run(
        command, env={**os.environ, "TMPDIR": str(short_folder)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "RQ SimpleWorker" in done.stdout
    for phase in ("queued", "load", "prefill", "decode"):
        assert phase in done.stdout
    assert list(short_folder.iterdir()) == []

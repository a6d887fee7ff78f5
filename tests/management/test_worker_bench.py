"""What the bench reads off a process is what the kernel says."""

import mmap
import os
from pathlib import Path

import pytest

from orchestration.management import worker_bench


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="this is how Linux tells")
def test_usage_counts_time_and_memory_of_this_process():
    before = worker_bench.usage(os.getpid())
    held = mmap.mmap(-1, 30_000_000)  # memory of its own, whatever this process has kept of what it used before
    held[:: mmap.PAGESIZE] = bytes([1]) * len(range(0, len(held), mmap.PAGESIZE))
    sum(range(3_000_000))
    after = worker_bench.usage(os.getpid())
    assert after.cpu_ms > before.cpu_ms
    assert after.pss_kb > before.pss_kb + 20_000
    held.close()


def test_a_process_that_is_gone_uses_nothing():
    assert worker_bench.usage(2**22 + 1) == worker_bench.Usage(0, 0)


def test_waiting_has_an_end(monkeypatch):
    monkeypatch.setattr(worker_bench, "PATIENCE_SECONDS", 0.1)
    with pytest.raises(worker_bench.NotInTime, match="a miracle"):
        worker_bench.wait_for(lambda: False, "a miracle")

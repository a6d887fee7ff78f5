"""One Drover with one fast simulated node for the tests of a file that break nothing for each other."""

from collections.abc import Iterator

import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from tests.e2e.herd import Drover, running_drover


@pytest.fixture(scope="module")
def herd() -> Iterator[Herd]:
    """gpu-a holds everything, gpu-b is its twin for failover."""
    models = ("llama3.2:latest", "qwen3:8b", "nomic-embed-text:latest")
    specs = [NodeSpec(name=name, models=models, slots=32, vram_gb=48, speed=4.0) for name in ("gpu-a", "gpu-b")]
    handle = run_in_thread(specs)
    yield handle
    handle.stop()


@pytest.fixture(scope="module")
def drover(herd: Herd) -> Iterator[Drover]:
    with running_drover() as running:
        running.connect(herd, slots_per_model=32)
        yield running

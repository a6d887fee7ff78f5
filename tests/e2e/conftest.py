"""One Drover with one fast simulated node for the tests of a file that break nothing for each other."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from tests.conftest import missing
from tests.e2e.browsing import logged_in
from tests.e2e.herd import ROOT, Drover, running_drover


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


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the example was installed into, as people install it."""
    for name in ("pip", "setuptools"):
        if importlib.util.find_spec(name) is None:
            missing(name, f"it installs the example; python -m pip install {name}")
    source, target = tmp_path_factory.mktemp("source") / "extensions", tmp_path_factory.mktemp("installed")
    shutil.copytree(ROOT / "examples/extensions", source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet")
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)], check=True)
    return target


@pytest.fixture
async def page(browser: Any, drover: Drover) -> Any:
    return await logged_in(browser, drover)

"""The recipes of the README, run as they stand there against a Drover on another port."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from tests.e2e.herd import ROOT, Drover, running_drover

pytestmark = pytest.mark.processes

SECTION = re.search(r"^### Recipes$(.*?)^### ", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
RECIPES = dict(re.findall(r"^\*\*(.*?)\*\*\n\n```python\n(.*?)^```", SECTION[1], re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def drover(installed: Path) -> Iterator[Drover]:
    """Two nodes with the models of the demo, and the example of extensions."""
    models = ("llama3.2:latest", "codellama:latest", "llama2:latest")
    herd: Herd = run_in_thread(
        [NodeSpec(name=name, models=models, slots=4, vram_gb=48, speed=20.0) for name in ("gpu-a", "gpu-b")]
    )
    with running_drover(pythonpath=installed) as running:
        running.connect(herd, slots_per_model=4)
        yield running
    herd.stop()


def _run(title: str, drover: Drover, tmp_path: Path) -> str:
    program = tmp_path / "recipe.py"
    program.write_text(RECIPES[title])
    key = drover.client.headers["authorization"].removeprefix("Bearer ")
    environment = {**os.environ, "DROVER_URL": drover.url, "DROVER_API_KEY": key}
    done = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_recipe_has_its_test():
    assert list(RECIPES) == [
        "One task with its progress",
        "Ten tasks by priority on five slots, on nodes where one request in ten fails",
        "Three models, each for what it is good at",
        "A router of one's own, and what it chose",
    ]


def test_one_task_with_its_progress(drover, tmp_path):
    printed = _run("One task with its progress", drover, tmp_path)
    assert re.search(r"^\[(waiting|starting|loading|prefill|generating)\]", printed, re.MULTILINE)
    assert re.search(r"completed on gpu-[ab] after \d+\.\d s", printed)


def test_ten_tasks_by_priority_all_complete(drover, tmp_path):
    printed = _run("Ten tasks by priority on five slots, on nodes where one request in ten fails", drover, tmp_path)
    assert "10 of 10 completed" in printed
    started = [int(number) for number in re.findall(r"^priority (\d)", printed, re.MULTILINE)]
    assert len(started) == 10
    assert started[0] == 0


def test_three_models_each_for_what_it_is_good_at(drover, tmp_path):
    printed = _run("Three models, each for what it is good at", drover, tmp_path).splitlines()
    assert [line.split()[0] for line in printed] == ["codellama:latest", "llama3.2:latest", "llama2:latest"]
    assert [line.split()[1].rstrip(":") for line in printed] == ["code", "review", "documentation"]


def test_a_router_of_ones_own_and_what_it_chose(drover, tmp_path):
    printed = _run("A router of one's own, and what it chose", drover, tmp_path)
    assert "{'llama2:latest': 1, 'llama3.2:latest': 3}" in printed
    assert "characters: a fast model" in printed
    assert "characters: a strong model" in printed

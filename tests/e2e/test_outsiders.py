"""A node that others use as well, and that has fewer slots than Drover was told: both are found out by watching."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from orchestration.ollama.simulator import Herd, NodeSpec, run_in_thread
from tests.e2e.herd import Drover, running_drover, until

pytestmark = pytest.mark.processes
OURS, THEIRS = "llama3.2:latest", "qwen3:8b"
VARIANTS = (
    "import json; from orchestration.models import Node, NodeVariant;"
    "rows = NodeVariant.objects.values('model_name', 'slots', 'outside_until', 'tokens_per_second');"
    "print(json.dumps({row['model_name']: row for row in rows}, default=str))"
)


@pytest.fixture(scope="module")
def herd() -> Iterator[Herd]:
    """One slot for each model, and room for one of the models at a time."""
    handle = run_in_thread([NodeSpec(name="gpu-a", models=(OURS, THEIRS), slots=1, vram_gb=7, speed=2.0)])
    yield handle
    handle.stop()


@pytest.fixture(scope="module")
def drover(herd: Herd) -> Iterator[Drover]:
    with running_drover() as running:
        running.connect(herd, slots_per_model=4)
        yield running


def _variants(drover: Drover) -> dict[str, dict[str, Any]]:
    return dict(json.loads(drover.manage("shell", "-v0", "-c", VARIANTS).splitlines()[-1]))


def _ask_directly(herd: Herd, model: str) -> None:
    parts = urlsplit(herd.urls[0])
    options = {"num_ctx": 4096, "num_predict": 8}
    body = json.dumps({"model": model, "prompt": "Hello.", "stream": False, "options": options})
    with closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)) as connection:
        connection.request("POST", "/api/generate", body)
        assert connection.getresponse().read()


def test_slots_that_the_server_does_not_have_are_given_up(drover: Drover) -> None:
    tasks = drover.submit(*(f"Say {n}." for n in range(12)), parameters={"num_predict": 400})
    assert {task["status"] for task in drover.until_ended(*tasks)} == {"completed"}
    learned = until(lambda: _variants(drover).get(OURS), "anything learned")
    assert learned["slots"] in (1, 2, 3)
    assert learned["tokens_per_second"] > 0
    assert learned["outside_until"] is None


def test_calls_of_others_are_seen_and_ours_are_not_taken_for_them(drover: Drover, herd: Herd) -> None:
    drover.until_ended(*drover.submit("Ours."))
    assert _variants(drover)[OURS]["outside_until"] is None
    _ask_directly(herd, THEIRS)
    until(lambda: _variants(drover).get(THEIRS, {}).get("outside_until"), "the news of somebody else's model")
    assert _variants(drover)[OURS]["outside_until"] is None

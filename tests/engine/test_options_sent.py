"""What a real worker sends a simulated server, told by the server itself, against what the task's page shows."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Agent, Attempt, FleetDefaults, ModelConfig, Node, Task
from orchestration.ollama.simulator import NodeHandle
from orchestration.permissions import Actor
from orchestration.policy.decision import Grant
from orchestration.policy.options import OPTIONS
from orchestration.queries.in_force import of_task
from orchestration.services import grants, tasks
from tests.engine.conftest import FAST

pytestmark = pytest.mark.usefixtures("redis_server")

OF_FLEET = {"top_k": 3, "num_thread": 2, "draft_num_predict": 0, "typical_p": 0.9, "repeat_last_n": 32, "min_p": 0.1}
OF_MODEL = {"num_thread": 4, "num_batch": 256, "num_gpu": 0, "main_gpu": 0, "use_mmap": True, "repeat_penalty": 1.2}
OF_AGENT = {"top_p": 0.5, "presence_penalty": 0.1, "frequency_penalty": 0.2, "num_keep": 5, "num_ctx": 8192, "seed": 1}
OF_TASK = {"seed": 7, "num_predict": 12, "stop": ["THE END"], "temperature": 0.3}


def test_the_server_was_told_what_the_page_shows(
    gpu_node: Node,
    gpu: NodeHandle,
    make_agent: Callable[..., Agent],
    as_bob: Actor,
    run: Callable[..., Task],
) -> None:
    FleetDefaults.objects.create(pk=1, options=OF_FLEET)
    ModelConfig.objects.create(model_name=FAST, options=OF_MODEL, keep_alive_seconds=240)
    agent = make_agent("reader", models=[FAST], options=OF_AGENT)
    spec = tasks.TaskSpec(type="generate", input="Tell me about alpacas.", parameters=OF_TASK)
    task = tasks.submit(actor=as_bob, agent=agent, specs=[spec]).tasks.get()
    expected = {**OF_FLEET, **OF_MODEL, **OF_AGENT, **OF_TASK}
    assert set(expected) == set(OPTIONS), "every option of the contract is said by somebody"
    before = [row for row in of_task(task) if row["name"] in OPTIONS]
    grant = Grant(task_id=task.pk, node_id=gpu_node.pk, model=FAST, num_ctx=task.lane.num_ctx, slot=0, reason="test")
    grants.assign(grants=[grant], now=timezone.now())
    done = run(Attempt.objects.get(task=task))
    assert done.status == "completed", done.error
    told: dict[str, Any] = gpu.state()["requests"][-1]["options"]
    assert told == expected
    after = {row["name"]: row["value"] for row in of_task(done)}
    assert {name: value for name, value in after.items() if name in OPTIONS} == told
    assert after["keep_alive_seconds"] == 240
    assert [row for row in of_task(done) if row["name"] in OPTIONS] == before

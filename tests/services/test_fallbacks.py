"""A task whose model fails for good goes on with the next of its models, each of them once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from orchestration.errors import DroverError, InternalError, InvalidAnswer, Refused, TimedOut, Unreachable
from orchestration.models import Agent, Attempt, Lane, ModelConfig, Node, OllamaModel, Task
from orchestration.permissions import Actor
from orchestration.services import grants, setbacks
from orchestration.services.attempts import start
from orchestration.services.fallbacks import following
from orchestration.services.load_failures import load_failed
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import submit
from tests.services.conftest import MODEL, grant_for

OTHERS = ["mistral:7b", "qwen3:8b"]
BROKEN = Unreachable("gpu-a does not answer")


@pytest.fixture
def herd(make_node: Callable[..., Node]) -> Node:
    return make_node(models=(MODEL, *OTHERS), loaded=(MODEL,))


@pytest.fixture
def task(as_bob: Actor, herd: Node, make_agent: Callable[..., Agent]) -> Task:
    agent = make_agent(models=[MODEL], fallbacks=OTHERS, max_tries=1)
    return submit(actor=as_bob, agent=agent, specs=[TaskSpec(type="generate", input="Hi")]).tasks.get()


def fail(task: Task, node: Node, model: str = MODEL, error: DroverError = BROKEN) -> Task:
    (job,) = grants.assign(grants=[grant_for(task, node, model=model)], now=timezone.now())
    start(attempt_id=job.attempt_id, token=job.token, worker="worker-1")
    assert setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=error, output="half an ans")
    return Task.objects.select_related("lane").get(pk=task.pk)


def test_the_next_model_tries_afresh_and_attempt_and_task_say_so(task: Task, herd: Node) -> None:
    found = fail(task, herd)
    assert (found.status, found.tries, found.max_tries, found.fallbacks) == ("pending", 0, 1, ["qwen3:8b"])
    assert (found.lane.models, found.lane.num_ctx, found.not_before) == (["mistral:7b"], task.lane.num_ctx, None)
    assert (found.error, found.output, found.node_id) == ("", "", None)
    assert found.routing_reason.endswith("; llama3.2:latest failed (unreachable), so mistral:7b")
    assert Attempt.objects.get().follow_up == "Goes on with mistral:7b, the next of its models"


def test_when_the_last_of_them_has_failed_the_task_fails(task: Task, herd: Node) -> None:
    fail(task, herd)
    fail(task, herd, "mistral:7b")
    found = fail(task, herd, "qwen3:8b")
    assert (found.status, found.error_code, found.fallbacks) == ("failed", "unreachable", [])
    assert Attempt.objects.count() == 3


def test_a_model_that_cannot_be_used_now_is_passed_over(task: Task, herd: Node) -> None:
    ModelConfig.objects.create(model_name="mistral:7b", enabled=False)
    assert fail(task, herd).lane.models == ["qwen3:8b"]


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        (Refused("out of memory", status=500), True),
        (Refused("model not found", status=404), True),
        (Refused('"llama3.2" does not support tools', status=400), True),
        (TimedOut("took longer than 5 s"), True),
        (InvalidAnswer("not the JSON that was asked for"), True),
        (Refused("invalid option", status=400), False),
        (Refused("messages must be of type array", status=500), False),
        (InternalError("a fault of Drover"), False),
    ],
)
def test_an_error_of_the_request_itself_stays_one(task: Task, herd: Node, error: DroverError, goes_on: bool) -> None:
    found = fail(task, herd, error=error)
    assert found.status == ("pending" if goes_on else "failed")


def test_tries_with_the_first_model_are_used_up_first(task: Task, herd: Node) -> None:
    Agent.objects.update(max_tries=2)
    found = fail(task, herd)
    assert (found.tries, found.lane.models) == (1, [MODEL])


def test_who_asked_to_cancel_meanwhile_gets_that(task: Task, herd: Node) -> None:
    (job,) = grants.assign(grants=[grant_for(task, herd)], now=timezone.now())
    start(attempt_id=job.attempt_id, token=job.token, worker="worker-1")
    Task.objects.update(cancel_requested_at=timezone.now())
    setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=BROKEN)
    assert Task.objects.get().status == "cancelled"


def test_a_pinned_task_goes_on_with_what_its_node_has(
    as_bob: Actor, herd: Node, make_node: Callable[..., Node], make_agent: Callable[..., Agent]
) -> None:
    small = make_node("gpu-b", models=(MODEL, "qwen3:8b"))
    agent = make_agent(models=[MODEL], fallbacks=OTHERS, max_tries=1)
    spec = TaskSpec(type="generate", input="Hi", node_id=small.pk)
    found = fail(submit(actor=as_bob, agent=agent, specs=[spec]).tasks.get(), small)
    assert (found.lane.models, found.lane.node_id) == (["qwen3:8b"], small.pk)


def test_thinking_that_was_asked_for_is_dropped_for_a_model_that_cannot(task: Task, herd: Node) -> None:
    OllamaModel.objects.filter(name="mistral:7b").update(capabilities=["completion"])
    Task.objects.update(think="high")
    assert fail(task, herd).think is None


def test_without_fallbacks_or_an_agent_there_is_nothing_to_go_on_with(task: Task) -> None:
    Task.objects.update(agent=None)
    assert following(task.pk, MODEL, BROKEN) is None
    Task.objects.update(agent=Agent.objects.get(), fallbacks=[])
    assert following(task.pk, MODEL, BROKEN) is None


def test_a_model_that_cannot_be_loaded_gives_way_too(task: Task, herd: Node) -> None:
    lanes = list(Lane.objects.values_list("pk", flat=True))
    error = Refused("out of memory", status=500)
    assert load_failed(lane_ids=lanes, node_id=herd.pk, model_name=MODEL, error=error, now=timezone.now()) == 1
    found = Task.objects.select_related("lane").get()
    assert (found.status, found.tries, found.lane.models, found.fallbacks) == (
        "pending",
        0,
        ["mistral:7b"],
        ["qwen3:8b"],
    )
    assert (found.error, found.attempt_count) == ("", 1)
    attempt: Any = Attempt.objects.get()
    assert attempt.follow_up == "Goes on with mistral:7b, the next of its models"

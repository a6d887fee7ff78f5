"""Each reason for waiting, caused in a real scheduler's pass: list, page and API tell it in the same words."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.html import escape

from orchestration.engine.scheduler import run_pass
from orchestration.errors import Refused
from orchestration.models import Agent, Attempt, LoadPlan, ModelConfig, Node, NodeModel, NodeVariant, Run, Task, User
from orchestration.policy.states import NodeHealth
from orchestration.services import attempts, pauses, processes, setbacks

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

LLAMA, QWEN = "llama3.2:latest", "qwen3:8b"
API = "/api/orchestration"


@pytest.fixture
def worker(db: None) -> Callable[..., None]:
    def beat(capacity: int = 50, name: str = "w1") -> None:
        now = timezone.now()
        processes.worker_beat(
            name=name, hostname="h", pid=1, capacity=capacity, in_use=0, stopping=False, started_at=now, now=now
        )

    return beat


@pytest.fixture
def told(bob: User, client: Client) -> Callable[[Task], tuple[str, str]]:
    """Code and words, after a look at all the places that tell them."""
    client.force_login(bob)

    def ask(task: Task) -> tuple[str, str]:
        detail = client.get(f"{API}/tasks/{task.pk}").json()
        (row,) = (row for row in client.get(f"{API}/tasks").json()["tasks"] if row["id"] == task.pk)
        waiting = detail["waiting"]
        stable = ("code", "words", "line", "place", "place_latest")  # seconds pass between two requests
        assert [waiting[name] for name in stable] == [row["waiting"][name] for name in stable]
        assert detail["waiting_reason"].startswith(waiting["words"])
        for address in ("/tasks", f"/tasks/{task.pk}"):
            text = client.get(address).content.decode()
            assert escape(waiting["words"]) in text
            assert waiting["line"] in text
        words = waiting["words"] + (f" — {waiting['line']}" if waiting["line"] else "")
        return waiting["code"], words

    return ask


Told = Callable[[Task], tuple[str, str]]
Submit = Callable[..., Run]
Beat = Callable[..., None]


def _tasks(run: Run) -> list[Task]:
    return list(run.tasks.order_by("position"))


def _pass(after: float = 0) -> None:
    run_pass(timezone.now() + timedelta(seconds=after))


def _start(worker: str = "w1") -> Attempt:
    """The attempt just granted, running."""
    attempt = Attempt.objects.get(ended_at=None)
    assert attempts.start(attempt_id=attempt.pk, token=attempt.token, worker=worker, now=timezone.now())
    return attempt


def _one_slot() -> None:
    Node.objects.update(slots_per_model=1)


def test_before_any_pass(submit: Submit, told: Told) -> None:
    assert told(_tasks(submit())[0]) == ("undecided", "Waits for the scheduler")


def test_no_worker(submit: Submit, told: Told) -> None:
    (task,) = _tasks(submit())
    _pass()
    assert told(task) == ("no_worker", "No worker is running")


def test_workers_full(submit: Submit, told: Told, worker: Beat) -> None:
    worker(capacity=1)
    _, task = _tasks(submit("one", "two"))
    _pass()
    assert told(task) == ("workers_full", "Workers are full 1/1 — next in line")


def test_redis_away(submit: Submit, told: Told, worker: Beat, redis_server: Any) -> None:
    worker()
    (task,) = _tasks(submit())
    redis_server.stop()
    _pass()
    redis_server.start()
    assert told(task) == ("redis_away", "Redis does not answer, so no worker can be told")


def test_busy(submit: Submit, told: Told, worker: Beat) -> None:
    worker()
    _one_slot()
    _, second, third = _tasks(submit("one", "two", "three"))
    _pass()
    assert told(second) == ("busy", f"{LLAMA} busy 1/1 on gpu-a — next in line")
    assert told(third) == ("busy", f"{LLAMA} busy 1/1 on gpu-a — 2nd in line")


def test_loading(submit: Submit, told: Told, worker: Beat) -> None:
    worker()
    (task,) = _tasks(submit())
    NodeModel.objects.update(loaded=False)
    _pass()
    assert LoadPlan.objects.get().loading_since is not None
    assert told(task) == ("loading", f"{LLAMA} is loading on gpu-a — next in line")


def test_draining_and_no_room(
    submit: Submit, told: Told, worker: Beat, node: Node, make_node: Any, make_agent: Any, as_bob: Any
) -> None:
    """The other model's run is in the way; patience over, the node makes room."""
    worker()
    agent = make_agent("other", models=[QWEN])
    node.delete()
    make_node("gpu-b", models=(LLAMA, QWEN), loaded=(LLAMA,), vram_bytes=4_000_000_000)
    submit("one")
    _pass()
    _start()
    (task,) = _tasks(submit("two", agent=agent))
    _pass()
    code, words = told(task)
    assert code == "no_room"
    assert words.startswith(f"{QWEN} is on no node; gpu-b can load it when {LLAMA} is idle")
    Task.objects.filter(pk=task.pk).update(ready_at=timezone.now() - timedelta(seconds=61))
    _pass()
    assert told(task) == ("draining", f"gpu-b makes room for {QWEN}: still running 1 of {LLAMA} — next in line")


def test_not_pulled(submit: Submit, told: Told, worker: Beat) -> None:
    worker()
    (task,) = _tasks(submit())
    NodeModel.objects.all().delete()
    _pass()
    assert told(task) == ("not_pulled", f"Not pulled on any node: {LLAMA}")


def test_node_unavailable(submit: Submit, told: Told, worker: Beat) -> None:
    worker()
    (task,) = _tasks(submit())
    Node.objects.update(health=NodeHealth.UNHEALTHY, health_reason="connection refused")
    _pass()
    assert told(task) == ("node_unavailable", "gpu-a offline: connection refused")


def test_load_failed(submit: Submit, told: Told, worker: Beat, node: Node) -> None:
    worker()
    (task,) = _tasks(submit())
    NodeModel.objects.update(loaded=False)
    later = timezone.now() + timedelta(minutes=1)
    NodeVariant.objects.create(
        node=node, model_name=LLAMA, num_ctx=4096, load_failures=1, load_not_before=later, load_error="out of memory"
    )
    _pass()
    assert told(task) == ("load_failed", f"gpu-a could not load {LLAMA}: out of memory")


@pytest.mark.parametrize(
    ("kind", "name"), [("priority", "Normal priority"), ("agent", "Agent writer"), ("model", LLAMA)]
)
def test_paused(submit: Submit, told: Told, worker: Beat, agent: Agent, as_alice: Any, kind: str, name: str) -> None:
    worker()
    (task,) = _tasks(submit())
    key = {"priority": "normal", "agent": str(agent.pk), "model": LLAMA}[kind]
    pauses.pause(actor=as_alice, kind=kind, key=key)
    _pass()
    code, words = told(task)
    assert code == "paused"
    assert words.startswith(f"{name} paused by alice since ")


def test_disabled(submit: Submit, told: Told, worker: Beat) -> None:
    worker()
    (task,) = _tasks(submit())
    ModelConfig.objects.create(model_name=LLAMA, enabled=False)
    _pass()
    assert told(task) == ("disabled", f"Model disabled: {LLAMA}")


def test_agent_limit(submit: Submit, told: Told, worker: Beat) -> None:
    worker()
    Agent.objects.update(max_concurrent_tasks=1)
    _, task = _tasks(submit("one", "two"))
    _pass()
    assert told(task) == ("agent_limit", "Agent limit 1/1 — next in line")


def test_model_limit(submit: Submit, told: Told, worker: Beat) -> None:
    worker()
    ModelConfig.objects.create(model_name=LLAMA, max_concurrent_requests=1)
    _, task = _tasks(submit("one", "two"))
    _pass()
    assert told(task) == ("model_limit", f"{LLAMA} at its limit 1/1 — next in line")


def test_user_limit(submit: Submit, told: Told, worker: Beat, bob: User) -> None:
    worker()
    User.objects.filter(pk=bob.pk).update(max_concurrent_tasks=1)
    _, task = _tasks(submit("one", "two"))
    _pass()
    assert told(task) == ("user_limit", "Limit of user bob 1/1")


def test_a_step_before(submit: Submit, told: Told, worker: Beat) -> None:
    worker()
    _, task = _tasks(submit("extract", "translate", sequential=True))
    _pass()
    assert told(task) == ("step", "Waits for step 1 “extract”")


def test_a_retry(submit: Submit, told: Told, worker: Beat, settings: Any) -> None:
    settings.DROVER_RETRY_DELAY = timedelta(minutes=5)
    worker()
    (task,) = _tasks(submit())
    _pass()
    attempt = _start()
    setbacks.fail(attempt_id=attempt.pk, token=attempt.token, error=Refused("HTTP 503: server busy", status=503))
    _pass()
    code, words = told(task)
    assert code == "backing_off"
    assert words.startswith("Retry 2/3 in ")
    assert words.endswith(" s after: HTTP 503: server busy")


def test_starting(submit: Submit, told: Told, worker: Beat) -> None:
    worker()
    (task,) = _tasks(submit())
    _pass()
    assert told(task) == ("starting", "Starting on gpu-a")


def test_a_low_task_in_a_lane_that_runs_others_says_that_its_class_is_paused(
    submit: Submit, told: Told, worker: Beat, as_alice: Any
) -> None:
    worker()
    _one_slot()
    submit("one")
    (normal,) = _tasks(submit("two"))
    (low,) = _tasks(submit("three", priority=2))
    pauses.pause(actor=as_alice, kind="priority", key="low", note="night shift")
    _pass()
    assert told(normal)[0] == "busy"
    code, words = told(low)
    assert code == "paused"
    assert words.startswith("Low priority paused by alice since ")


def test_place_and_start_once_speeds_are_known(
    submit: Submit, told: Told, worker: Beat, node: Node, client: Client
) -> None:
    worker()
    _one_slot()
    NodeVariant.objects.create(node=node, model_name=LLAMA, num_ctx=4096, tokens_per_second=50.0, run_seconds=2.0)
    tasks = _tasks(submit(*(f"t{number}" for number in range(32))))
    _pass()
    assert told(tasks[31])[1].endswith("31st in line")
    waiting = client.get(f"{API}/tasks/{tasks[31].pk}").json()["waiting"]
    assert waiting["start"]
    assert waiting["earliest_seconds"] < 60 < waiting["latest_seconds"] < 120

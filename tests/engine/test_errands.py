"""Errands from asking to their end: scheduler's passes, a real worker, and a simulated server."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration import queries
from orchestration.engine.loader import Loader
from orchestration.engine.scheduler import run_pass, tidy
from orchestration.models import (
    Agent,
    Attempt,
    Node,
    NodeModel,
    NodeVariant,
    OllamaModel,
    Pause,
    ShareAccount,
    Task,
)
from orchestration.ollama.simulator import Fault, NodeHandle, NodeSpec
from orchestration.permissions import Actor
from orchestration.policy.decision import Grant
from orchestration.policy.states import AttemptStatus, ErrandType, TaskStatus
from orchestration.services import errands, grants, tasks
from tests.engine.conftest import WorkerInThread, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

NEW, HERE = "qwen3:8b", "llama3.2:latest"
Ask = Callable[..., list[Task]]


@pytest.fixture
def server(make_simulator: Callable[..., Any]) -> NodeHandle:
    spec = NodeSpec(name="gpu-a", models=(HERE,), vram_gb=48, pull_gb_per_second=20, disk_gb_per_second=50)
    return make_simulator([spec]).nodes[0]


@pytest.fixture
def here(server: NodeHandle, make_node: Callable[..., Node]) -> Node:
    return make_node("gpu-a", base_url=server.url, models=(HERE,))


@pytest.fixture
def worker(start_worker: Callable[..., WorkerInThread], settings: Any) -> Iterator[WorkerInThread]:
    settings.DROVER_RETRY_DELAY = timedelta(seconds=0)
    return start_worker()


@pytest.fixture
def ask(as_alice: Actor, here: Node) -> Ask:
    def asked(type: ErrandType, model: str = NEW, **parameters: Any) -> list[Task]:
        places = [(errands._checked_name(model), here.pk)]
        return errands.order(actor=as_alice, type=type, places=places, parameters=parameters).tasks

    return asked


def status(task: Task) -> str:
    return Task.objects.values_list("status", flat=True).get(pk=task.pk)


def decide() -> None:
    run_pass(timezone.now())
    tidy(timezone.now())


def ended(*some: Task) -> list[Task]:
    def over() -> bool:
        decide()
        return all(status(task) in ("completed", "failed", "cancelled") for task in some)

    wait_until(over)
    return list(Task.objects.filter(pk__in=[task.pk for task in some]).select_related("pull").order_by("pk"))


def test_a_pull_ends_with_the_model_on_the_node_and_known_at_once(worker: WorkerInThread, ask: Ask, here: Node) -> None:
    (task,) = ended(*ask(ErrandType.PULL))
    assert (task.status, task.error) == ("completed", "")
    assert NodeModel.objects.get(node=here, model__name=NEW).installed
    assert task.pull.done_bytes == task.pull.total_bytes == sum(layer["total"] for layer in task.pull.layers)
    assert task.message.startswith("5.2 GB in ")


def test_what_is_done_at_a_node_teaches_nothing_and_is_charged_to_nobody(
    worker: WorkerInThread, ask: Ask, here: Node
) -> None:
    (task,) = ended(*ask(ErrandType.PULL))
    attempt = Attempt.objects.get(task=task)
    assert attempt.settled
    assert attempt.num_ctx == 0
    assert not NodeVariant.objects.filter(model_name=NEW).exists()
    assert not ShareAccount.objects.filter(service__gt=0).exists()


def test_a_dropped_pull_goes_on_where_it_was_and_uses_up_no_try(
    worker: WorkerInThread, ask: Ask, server: NodeHandle
) -> None:
    server.faults(Fault("pull_drop", percent=40, count=1))
    (task,) = ended(*ask(ErrandType.PULL))
    failed, last = Attempt.objects.filter(task=task).order_by("number")
    assert (task.status, task.tries) == ("completed", 0)
    assert (failed.status, failed.error_code, failed.counts_as_try) == ("failed", "stream_failed", False)
    assert last.status == AttemptStatus.COMPLETED
    assert "since the last try" in task.message


def test_a_pull_that_does_not_get_on_fails_after_its_tries(
    worker: WorkerInThread, ask: Ask, server: NodeHandle, settings: Any
) -> None:
    server.faults(Fault("pull_drop", percent=0))
    (task,) = ended(*ask(ErrandType.PULL))
    assert (task.status, task.error_code) == ("failed", "stream_failed")
    assert task.tries == settings.DROVER_MAX_TRIES


def test_a_model_that_no_library_has_fails_at_once_with_names_like_it(worker: WorkerInThread, ask: Ask) -> None:
    (task,) = ended(*ask(ErrandType.PULL, "lama3.2"))
    assert (task.status, task.error_code, task.attempt_count) == ("failed", "model_not_published", 1)
    assert "Did you mean llama3.2:latest" in task.error


def test_a_cancelled_pull_closes_its_stream_and_keeps_what_has_come(
    worker: WorkerInThread, ask: Ask, server: NodeHandle, as_alice: Actor
) -> None:
    server.configure(pull_gb_per_second=0.2)
    (task,) = ask(ErrandType.PULL)
    decide()
    wait_until(lambda: Task.objects.get(pk=task.pk).pull.done_bytes > 0)
    tasks.cancel(actor=as_alice, task_id=task.pk)
    (task,) = ended(task)
    wait_until(lambda: all(item["listeners"] == 0 for item in server.state()["downloads"]))
    assert task.status == TaskStatus.CANCELLED
    assert task.pull.done_bytes > 0


def test_a_worker_that_stops_gives_a_pull_back_at_once(worker: WorkerInThread, ask: Ask, server: NodeHandle) -> None:
    server.configure(pull_gb_per_second=0.01)
    (task,) = ask(ErrandType.PULL)
    decide()
    wait_until(lambda: status(task) == "running")
    worker.stop()
    given_back = Attempt.objects.get(task=task)
    assert (status(task), given_back.error_code) == ("pending", "given_back")


@pytest.fixture
def loader() -> Iterator[None]:
    """Brings into memory what the passes decided, as the scheduler process does."""
    stop, leads = threading.Event(), threading.Event()
    leads.set()
    loading = Loader(stop, leads)
    thread = threading.Thread(target=loading.run, name="loader")
    thread.start()
    yield
    stop.set()
    loading.look()
    thread.join(30)


def test_a_model_is_loaded_by_the_scheduler_and_says_how_long_that_took_or_that_it_was_there(
    worker: WorkerInThread, loader: None, ask: Ask, server: NodeHandle
) -> None:
    (first,) = ended(*ask(ErrandType.LOAD, HERE))
    (second,) = ended(*ask(ErrandType.LOAD, HERE))
    assert HERE in server.state()["models"]
    assert first.message.startswith("Loaded in ")
    assert second.message == "It was loaded already"


def test_a_model_leaves_the_memory_when_it_is_unloaded(
    worker: WorkerInThread, loader: None, ask: Ask, server: NodeHandle, here: Node
) -> None:
    ended(*ask(ErrandType.LOAD, HERE))
    (task,) = ended(*ask(ErrandType.UNLOAD, HERE))
    assert (task.status, task.message) == ("completed", "Unloaded")
    assert not server.state()["models"]
    assert not NodeModel.objects.get(node=here, model__name=HERE).loaded
    (again,) = ended(*ask(ErrandType.UNLOAD, HERE))
    assert again.message == "It was not loaded"


def test_a_deleted_model_is_gone_from_the_node_and_from_what_is_known_of_it(
    worker: WorkerInThread, ask: Ask, here: Node
) -> None:
    (task,) = ask(ErrandType.DELETE, HERE)
    (done,) = ended(task)
    assert (done.status, done.message) == ("completed", "Deleted")
    assert not NodeModel.objects.filter(node=here, model__name=HERE, installed=True).exists()


def test_what_is_gone_already_is_deleted_well(worker: WorkerInThread, ask: Ask, here: Node) -> None:
    NodeModel.objects.create(node=here, model=OllamaModel.objects.create(name="ghost:latest"))
    (task,) = ended(*ask(ErrandType.DELETE, "ghost"))
    assert (task.status, task.message) == ("completed", "It was not there")


def test_a_copy_has_the_same_weights_under_another_name(worker: WorkerInThread, ask: Ask, here: Node) -> None:
    (task,) = ended(*ask(ErrandType.COPY, HERE, destination="mine"))
    assert (task.status, task.message) == ("completed", "Copied to mine:latest")
    digests = NodeModel.objects.filter(node=here).values_list("model__name", "digest")
    assert len({digest for _, digest in digests}) == 1
    assert {name for name, _ in digests} == {HERE, "mine:latest"}


def test_an_errand_for_a_node_that_is_away_waits_and_says_why(ask: Ask, here: Node, redis_server: object) -> None:
    (task,) = ask(ErrandType.PULL)
    Node.objects.filter(pk=here.pk).update(enabled=False)
    decide()
    assert status(task) == "pending"
    assert queries.task_detail(task.pk)["waiting_reason"] == "gpu-a is disabled"


def test_a_draining_node_may_be_tidied_and_that_is_said(worker: WorkerInThread, ask: Ask, here: Node) -> None:
    Node.objects.filter(pk=here.pk).update(draining=True)
    (task,) = ended(*ask(ErrandType.PULL))
    assert task.status == "completed"
    assert "gpu-a is draining" in task.decision_reason


def test_a_failed_errand_can_be_tried_again_by_hand(
    worker: WorkerInThread, ask: Ask, server: NodeHandle, as_alice: Actor
) -> None:
    server.faults(Fault("pull_drop", percent=0, count=3))
    (failed,) = ended(*ask(ErrandType.PULL))
    tasks.retry(actor=as_alice, task_id=failed.pk)
    (again,) = ended(failed)
    assert (failed.status, again.status) == ("failed", "completed")


def test_what_is_paused_starts_no_errands_either(ask: Ask, worker: WorkerInThread) -> None:
    pause = Pause.objects.create(kind="priority", key="1", paused_by_name="alice", paused_at=timezone.now())
    (task,) = ask(ErrandType.DELETE, HERE)
    decide()
    lane = Task.objects.select_related("lane").get(pk=task.pk).lane
    assert (status(task), lane.waiting_code) == ("pending", "paused")
    pause.delete()
    assert ended(task)[0].status == TaskStatus.COMPLETED


def test_a_delete_waits_for_what_runs_and_nothing_more_is_begun(
    ask: Ask, here: Node, worker: WorkerInThread, as_bob: Actor, agent: Agent
) -> None:
    NodeModel.objects.update(loaded=True, loaded_context=4096)
    specs = [tasks.TaskSpec(type="generate", input=text) for text in ("one", "two")]
    first, second = tasks.submit(actor=as_bob, agent=agent, specs=specs).tasks.order_by("position")
    given = Grant(task_id=first.pk, node_id=here.pk, model=HERE, num_ctx=4096, slot=0, reason="test")
    (task,) = ask(ErrandType.DELETE, HERE, force=True)
    Task.objects.filter(pk=task.pk).update(parameters={})
    assert grants.assign(grants=[given], now=timezone.now())
    Task.objects.filter(pk=second.pk).update(status="blocked")
    decide()
    assert status(task) == "pending"
    Attempt.objects.update(ended_at=timezone.now())
    Task.objects.filter(pk=second.pk).update(status="pending")
    run_pass(timezone.now())
    assert (status(task) != "pending", status(second)) == (True, "pending")

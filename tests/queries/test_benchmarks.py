"""Benchmarks as they are read: samples, what is known so far, what a report is compared with."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.errors import NotFound
from orchestration.models import Attempt, Node, Run, Task
from orchestration.permissions import Actor
from orchestration.queries import benchmarks as queries
from orchestration.services import benchmarks as service
from orchestration.services.benchmarks import Asked
from tests.services.measuring import finish, metrics

pytestmark = pytest.mark.usefixtures("redis_server")


@pytest.fixture
def run(as_bob: Actor, node: Node) -> Run:
    return service.start(actor=as_bob, asked=Asked(models=["llama3.2"], concurrency=[1, 2], repeats=2, rounds=1))


def test_samples_leave_the_warm_up_out_and_come_in_order(run: Run) -> None:
    assert queries.samples(run.pk) == []
    finish(run)
    found = queries.samples(run.pk)
    assert [(sample.key.concurrency, sample.repeat) for sample in found] == [
        (1, 0),
        (2, 0),
        (2, 0),
        (1, 1),
        (2, 1),
        (2, 1),
    ]
    assert found[0].ended - found[0].started == pytest.approx(2.5)


def test_what_drover_takes_is_not_the_nodes(run: Run) -> None:
    finish(run)
    late = timezone.now() + timedelta(hours=1)
    Attempt.objects.filter(task__run=run).update(started_at=late - timedelta(hours=9), ended_at=late)
    assert all(sample.ended - sample.started == pytest.approx(2.5) for sample in queries.samples(run.pk))


def test_a_failed_request_is_an_error_of_its_cell(run: Run) -> None:
    finish(run)
    task = run.tasks.get(position=1)
    Task.objects.filter(pk=task.pk).update(attempt_id=None)
    (cell,) = [cell for cell in queries.report_of(run)["cells"] if cell["concurrency"] == 1]
    assert (cell["requests"], cell["errors"]) == (2, 1)


def test_the_last_end_is_known_when_nothing_is_unfinished(run: Run) -> None:
    assert queries.last_end(run.pk) is None
    finish(run)
    assert queries.last_end(run.pk) == run.tasks.order_by("-ended_at")[0].ended_at


def test_only_a_run_of_the_same_spec_that_measured_something_is_compared_with(as_bob: Actor, run: Run) -> None:
    Task.objects.filter(run=run).transition_all("cancelled", ended_at=timezone.now())
    second = service.again(actor=as_bob, run_id=run.pk)
    finish(second)
    assert queries.previous(second) is None
    third = service.again(actor=as_bob, run_id=run.pk)
    finish(third)
    assert queries.previous(third) == second


def test_a_wait_inside_ollama_and_a_reload_are_remarked(run: Run) -> None:
    finish(run, told=lambda task: metrics(load=timedelta(seconds=3)))
    Attempt.objects.filter(task__run=run).update(inside_seconds=2.0)
    remarks = queries.report_of(run)["remarks"]
    assert any("found the model gone and waited for its load" in words for words in remarks)
    assert any("waited 2.0 s inside Ollama" in words for words in remarks)


def test_other_weights_and_another_server_than_before_are_remarked(as_bob: Actor, run: Run, node: Node) -> None:
    finish(run)
    node.node_models.update(digest="b" * 64)
    Node.objects.update(ollama_version="9.9")
    second = service.again(actor=as_bob, run_id=run.pk)
    finish(second)
    remarks = queries.report_of(second)["remarks"]
    assert "llama3.2:latest on gpu-a has other weights than in the run before." in remarks
    assert any("and 9.9 now" in words for words in remarks)


def test_the_list_has_the_best_figure_of_what_is_complete(run: Run) -> None:
    (row,), following = queries.benchmarks()
    assert (row["id"], row["best_rate"], row["regressions"], following) == (run.pk, None, None, None)
    finish(run)
    service.settle(run.pk)
    (row,), _ = queries.benchmarks()
    assert row["best_rate"] > 30
    assert row["regressions"] == 0


def test_what_is_no_benchmark_is_not_found(submitted_task: Task) -> None:
    for run_id in (submitted_task.run_id, 999):
        with pytest.raises(NotFound):
            queries.get_benchmark(run_id)

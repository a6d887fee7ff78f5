"""What workers tell of pulls is written down, and never goes back."""

from collections.abc import Callable

import pytest

from orchestration.models import Node, Pull, Task
from orchestration.permissions import Actor
from orchestration.policy.states import ErrandType
from orchestration.services import errands, pulls

LAYERS = [{"digest": "sha256:aa", "total": 100, "done": 60}]


@pytest.fixture
def task(as_alice: Actor, node: Node) -> Task:
    run = errands.submit(actor=as_alice, type=ErrandType.PULL, models=["qwen3:8b"])
    Task.objects.filter(run=run).update(token="t")
    return Task.objects.get(run=run)


@pytest.fixture
def note(task: Task) -> Callable[..., bool]:
    def noted(done: int, token: str = "t") -> bool:
        kept = {"stage": "pulling aa", "layers": LAYERS, "total_bytes": 100, "bytes_per_second": 5.0}
        return pulls.note(task_id=task.pk, token=token, done_bytes=done, **kept)

    return noted


def test_bytes_never_go_back(task: Task, note: Callable[..., bool]) -> None:
    assert note(60)
    assert note(20)
    assert Pull.objects.get(task=task).done_bytes == 60


def test_an_attempt_that_has_lost_the_task_writes_nothing(task: Task, note: Callable[..., bool]) -> None:
    assert not note(60, token="another")
    assert Pull.objects.get(task=task).done_bytes == 0


def test_another_try_goes_on_from_what_is_known(task: Task, note: Callable[..., bool]) -> None:
    note(60)
    assert pulls.standing(task.pk) == (LAYERS, 100)


def test_a_pull_went_on_when_it_is_further_than_at_its_last_failure(task: Task, note: Callable[..., bool]) -> None:
    assert not pulls.went_on(task.pk)
    note(60)
    assert pulls.went_on(task.pk)
    assert not pulls.went_on(task.pk)

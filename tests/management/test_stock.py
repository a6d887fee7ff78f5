"""The plain project's job does what it is compared for. Its workers are started by the tests of the command."""

import pytest

from orchestration.management import stock, throughput
from orchestration.models import Task
from orchestration.ollama.simulator import ModelSpec, NodeSpec


@pytest.mark.django_db
def test_a_job_asks_the_server_and_keeps_the_answer(make_simulator, submit):
    model = ModelSpec(throughput.MODEL, size=10_000_000, family="llama", parameter_size="1B", tokens_per_second=1000)
    herd = make_simulator([NodeSpec(models=(model,))])
    task = submit("Name a river.").tasks.get()
    stock.answer(task.pk, herd.urls[0])
    stored = Task.objects.get(pk=task.pk)
    assert stored.output
    assert stored.started_at < stored.ended_at

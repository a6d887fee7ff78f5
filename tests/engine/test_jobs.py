"""What RQ calls is there under the name the queue gives it."""

import inspect

from django.utils.module_loading import import_string

from orchestration import queue
from orchestration.engine import jobs
from orchestration.engine.runner import RUNNER


def test_the_name_in_the_queue_is_the_function():
    assert import_string(queue.RUN_ATTEMPT) is jobs.run_attempt
    assert list(inspect.signature(jobs.run_attempt).parameters) == ["attempt_id", "token"]


async def test_it_is_the_runner_of_this_worker_that_runs_the_attempt():
    class RecordingRunner:
        async def run(self, attempt_id, token):
            self.ran = attempt_id, token

    runner = RecordingRunner()
    RUNNER.set(runner)
    await jobs.run_attempt(7, "token")
    assert runner.ran == (7, "token")

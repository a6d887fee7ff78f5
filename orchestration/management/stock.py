"""The same work as a plain RQ project does it: a fork worker, a job and a few statements of the ORM for each task."""

import json
import os
import subprocess
import time
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import redis
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from rq import Queue
from rq.serializers import JSONSerializer

from orchestration.management import bundled_redis, scratch, throughput
from orchestration.management.worker_bench import end_part, run_stock_worker, wait_for
from orchestration.models import Lane, Run, Task
from orchestration.policy.states import RunKind, TaskType

QUEUE = "Worker"
ANSWER = "orchestration.management.stock.answer"
CLIENT = httpx.Client(verify=False, timeout=60)
"""Made once: a client for each call would spend most of its time on certificates that nobody asks for here."""


def measure(tasks: int, *, workers: int, nodes: int, database_url: str) -> throughput.Found:
    """In a process whose settings point at a folder and a database that go away."""
    foreign = ("DROVER_", "OLLAMA_", "DATABASE_URL", "REDIS_URL")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    with (
        throughput.simulator(nodes) as (urls, _),
        scratch.beside(database_url) as database,
        TemporaryDirectory(prefix="drover-stock-") as data,
    ):
        env |= {"DROVER_DATA": data, "DATABASE_URL": database}
        command = throughput.part("stock", "--tasks", str(tasks), "--workers", str(workers), "--urls", ",".join(urls))
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    return throughput.Found(tasks=tasks, seconds=json.loads(done.stdout.splitlines()[-1]))


def run(tasks: int, workers: int, urls: list[str]) -> float:
    """Seconds from the first row to the last answer. Settings point at an empty folder."""
    with ExitStack() as stack:
        server = subprocess.Popen(bundled_redis.command(Path(settings.REDIS_URL.removeprefix("unix://"))))
        stack.callback(end_part, server)
        wait_for(lambda: bundled_redis.answers(settings.REDIS_URL), "Redis")
        call_command("migrate", verbosity=0)
        for _ in range(workers):
            stack.callback(end_part, subprocess.Popen(throughput.part("stock-worker")))
        connection = stack.enter_context(redis.Redis.from_url(settings.REDIS_URL))
        line = Queue(QUEUE, connection=connection, serializer=JSONSerializer)
        _work_off(line, workers, urls)
        began = time.monotonic()
        _work_off(line, tasks, urls)
        return time.monotonic() - began


def _work_off(line: Queue, tasks: int, urls: list[str]) -> None:
    lane, _ = Lane.objects.get_or_create(key=QUEUE, defaults={"models": [throughput.MODEL], "num_ctx": 4096})
    run = Run.objects.create(kind=RunKind.BATCH, agent_name=QUEUE)
    for number, url in enumerate(islice(cycle(urls), tasks)):
        task = Task.objects.create(
            run=run, lane=lane, agent_name=QUEUE, type=TaskType.GENERATE, title="river", input=f"Name river {number}."
        )
        line.enqueue(ANSWER, task.pk, url)
    deadline = time.monotonic() + throughput.PATIENCE_SECONDS
    while left := Task.objects.filter(run=run, ended_at=None).count():
        if time.monotonic() > deadline:
            raise throughput.Incomplete(f"{left} of {tasks} tasks did not end.")
        time.sleep(0.05)


def work() -> None:
    """A worker as RQ brings it."""
    run_stock_worker(QUEUE)


def answer(task_id: int, url: str) -> None:
    """The job: read the row, note the start, ask the server, keep the answer."""
    task = Task.objects.get(pk=task_id)
    task.started_at = timezone.now()
    task.save(update_fields=["started_at"])
    options = {"num_predict": throughput.TOKENS, "num_ctx": settings.DROVER_DEFAULT_NUM_CTX}
    body = {"model": throughput.MODEL, "prompt": task.input, "stream": False, "options": options}
    reply = CLIENT.post(f"{url}/api/generate", json=body).raise_for_status()
    task.output, task.progress, task.ended_at = reply.json()["response"], 100, timezone.now()
    task.save(update_fields=["output", "progress", "ended_at"])

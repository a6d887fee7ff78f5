"""``bench_worker``: what a stream costs in Drover's worker and in RQ's own, and how soon a cancel reaches the node."""

import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rq import Queue
from rq.serializers import JSONSerializer

from orchestration import queue
from orchestration.engine.worker import run_worker
from orchestration.management import worker_bench as bench
from orchestration.models import Attempt
from orchestration.permissions import SYSTEM
from orchestration.services import tasks

LONGEST_SECONDS = 58
KB_AIM, MS_AIM, DELAY_AIM = 100, 2.5, 0.2
CANCELS = 8
STOCK = {"SimpleWorker": "RQ SimpleWorker", "Worker": "RQ fork Worker"}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one stream of 20 chunks."""

    memory_kb: float
    cpu_ms: float


class Command(BaseCommand):
    help = "Measures the worker on a simulated server of its own, beside the workers RQ brings. Takes under a minute."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--streams", type=int, default=200, help="at once in Drover's worker (200)")
        parser.add_argument("--stock-streams", type=int, default=8, help="one after the other in RQ's workers (8)")
        parser.add_argument("--limit", type=float, default=LONGEST_SECONDS, help="seconds after which it gives up (58)")
        parser.add_argument("--part", choices=sorted(PARTS), help=SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        if not Path("/proc/self/smaps_rollup").exists():
            raise CommandError("This measures through /proc and so needs Linux.")
        if options["part"] == "measure":
            self._measure(options["streams"], options["stock_streams"])
        elif options["part"]:
            PARTS[options["part"]]()
        else:
            self._run_inside(options["streams"], options["stock_streams"], options["limit"])

    def _run_inside(self, streams: int, stock_streams: int, limit: float) -> None:
        """Once more in a process whose settings point at a folder that goes away."""
        with tempfile.TemporaryDirectory(prefix="drover-bench-") as data:
            foreign = ("DROVER_", "OLLAMA_", "DATABASE_URL", "REDIS_URL")
            env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
            numbers = ["--streams", str(streams), "--stock-streams", str(stock_streams)]
            command = [
                sys.executable,
                str(settings.BASE_DIR / "manage.py"),
                "bench_worker",
                "--part",
                "measure",
                *numbers,
            ]
            env |= {"DROVER_DATA": data, "DROVER_WORKER_CAPACITY": str(streams + 50)}
            process = subprocess.Popen(command, env=env, start_new_session=True)
            try:
                status = process.wait(limit)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                _end_session(process)
        if status != 0:
            raise CommandError(f"The measurement did not end within {limit:g} s." if status is None else "It failed.")

    def _measure(self, streams: int, stock_streams: int) -> None:
        with bench.World() as world:
            worker, *theirs = [world.start(part) for part in ("worker", *STOCK)]
            stock = {
                name: _stock_cost(world, name, process.pid, stock_streams)
                for name, process in zip(STOCK, theirs, strict=True)
            }
            bench.wait_for(bench.worker_is_up, "the worker")
            cost = _stream_cost(world, worker.pid, streams)
            delays = {phase: measure(world) for phase, measure in PHASES.items()}
        self._print_costs(cost, stock, streams, stock_streams)
        self._print_delays(delays)

    def _print_costs(self, ours: Cost, stock: dict[str, Cost], streams: int, stock_streams: int) -> None:
        self.stdout.write(f"One stream of {bench.CHUNKS} chunks     memory KB      CPU ms")
        self.stdout.write(
            f"  Drover, {streams:4d} at once     {ours.memory_kb:9.0f} {ours.cpu_ms:11.2f}"
            f"     aims: {KB_AIM} KB {_verdict(ours.memory_kb, KB_AIM)}, {MS_AIM} ms {_verdict(ours.cpu_ms, MS_AIM)}"
        )
        for name, cost in stock.items():
            ratios = f"{cost.memory_kb / max(ours.memory_kb, 0.1):.0f} and {cost.cpu_ms / ours.cpu_ms:.1f} times ours"
            self.stdout.write(
                f"  {STOCK[name]:<16} ({stock_streams:2d})   {cost.memory_kb:9.0f} {cost.cpu_ms:11.2f}     {ratios}"
            )
        self.stdout.write("  RQ's workers run one stream per process and send no live text.")

    def _print_delays(self, delays: dict[str, list[float]]) -> None:
        self.stdout.write("From cancel to the closed socket at the node, seconds   median     p95")
        for phase, seconds in delays.items():
            p95 = sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]
            verdict = _verdict(p95, DELAY_AIM)
            median = statistics.median(seconds)
            self.stdout.write(f"  {phase:<52} {median:7.3f} {p95:7.3f}     aim: {DELAY_AIM} s {verdict}")


def _verdict(value: float, aim: float) -> str:
    return "met" if value <= aim else "MISSED"


def _end_session(process: "subprocess.Popen[bytes]") -> None:
    """Everything that the measurement started, if it did not end it itself."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _stream_cost(world: bench.World, pid: int, streams: int) -> Cost:
    """All at once, after a few to warm up."""
    warm = world.grant(10, bench.BRISK)
    queue.run_attempts(warm)
    bench.wait_for_end(warm)
    jobs = world.grant(streams, bench.WIDE)
    before = bench.usage(pid)
    queue.run_attempts(jobs)
    world.wait_for_phase("decode", streams)
    during = bench.usage(pid)
    bench.wait_for_end(jobs)
    time.sleep(0.2)
    after = bench.usage(pid)
    return Cost((during.pss_kb - before.pss_kb) / streams, (after.cpu_ms - before.cpu_ms) / streams)


def _stock_cost(world: bench.World, name: str, pid: int, streams: int) -> Cost:
    """One after the other, because RQ's workers know no other way: a stream costs a process."""
    with redis.Redis.from_url(settings.REDIS_URL) as connection:
        stock = Queue(name, connection=connection, serializer=JSONSerializer)
        _run_stock(world, stock, 1, pid)
        before = bench.usage(pid)
        memory = _run_stock(world, stock, streams, pid)
        time.sleep(0.2)
    return Cost(memory, (bench.usage(pid).cpu_ms - before.cpu_ms) / streams)


def _run_stock(world: bench.World, stock: Queue, streams: int, pid: int) -> float:
    """Memory of the worker while one of them runs."""
    jobs = world.grant(streams, bench.BRISK)
    for job in jobs:
        stock.enqueue("orchestration.management.worker_bench.plain_stream", job.attempt_id, job.token)
    world.wait_for_phase("decode", 1)
    memory = bench.usage(pid).pss_kb
    bench.wait_for_end(jobs)
    return float(memory)


def _cancel(world: bench.World, job: queue.AttemptJob, node: str = "gpu-wide") -> float:
    """How long it takes until the server sees that the socket is closed, by the clock both share."""
    task_id = Attempt.objects.values_list("task_id", flat=True).get(pk=job.attempt_id)
    known = len(world.state(node)["disconnects"])
    began = time.monotonic()
    tasks.cancel(actor=SYSTEM, task_id=task_id)
    gone = bench.wait_for(lambda: world.state(node)["disconnects"][known:], "the closed socket")
    return float(gone[0]["at"]) - began


def _cancel_all(world: bench.World, jobs: list[queue.AttemptJob], node: str = "gpu-wide") -> list[float]:
    return [_cancel(world, job, node) for job in jobs]


def _while_queued(world: bench.World) -> list[float]:
    """Waiting inside the server for its only slot."""
    first = world.grant(1, bench.NARROW, node="gpu-narrow", tokens=4000)
    queue.run_attempts(first)
    world.wait_for_phase("decode", 1, "gpu-narrow")
    jobs = world.grant(CANCELS, bench.NARROW, node="gpu-narrow")
    queue.run_attempts(jobs)
    world.wait_for_phase("slot", CANCELS, "gpu-narrow")
    delays = _cancel_all(world, jobs, "gpu-narrow")
    _cancel(world, first[0], "gpu-narrow")
    return delays


def _while_loading(world: bench.World) -> list[float]:
    """One by one: each cancel aborts the load it started."""
    delays = []
    for _ in range(CANCELS):
        jobs = world.grant(1, bench.HEAVY)
        queue.run_attempts(jobs)
        world.wait_for_phase("load", 1)
        delays += _cancel_all(world, jobs)
    return delays


def _while_prefilling(world: bench.World) -> list[float]:
    jobs = world.grant(CANCELS, bench.WIDE, words=3000)
    queue.run_attempts(jobs)
    world.wait_for_phase("prefill", CANCELS)
    return _cancel_all(world, jobs)


def _while_decoding(world: bench.World) -> list[float]:
    jobs = world.grant(CANCELS, bench.WIDE, tokens=4000)
    queue.run_attempts(jobs)
    world.wait_for_phase("decode", CANCELS)
    return _cancel_all(world, jobs)


PHASES = {"queued": _while_queued, "load": _while_loading, "prefill": _while_prefilling, "decode": _while_decoding}
PARTS: dict[str, Callable[[], object]] = {
    "measure": lambda: None,
    "simulator": bench.simulate,
    "worker": run_worker,
    **{name: partial(bench.run_stock_worker, name) for name in STOCK},
}
"""The processes of a measurement: this command in other parts."""

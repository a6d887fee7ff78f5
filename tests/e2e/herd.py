"""A whole Drover in real processes, each of which a test may kill: web, scheduler, workers, Redis, simulated nodes."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
from django.conf import settings

from orchestration.management import bundled_redis
from orchestration.ollama.simulator import Herd

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
ENDED = ("completed", "failed", "cancelled")


def until(condition: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """The first truthy answer; an assertion with the last one when it does not come in time."""
    pause = threading.Event()
    ends = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < ends, f"{what} did not happen; last seen: {answer!r}"
        pause.wait(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def own_database(name: str, data: Path) -> Iterator[str]:
    """A database for the processes alone, of the kind that the suite runs on."""
    configured = settings.DATABASES["default"]
    if configured["ENGINE"].endswith("sqlite3"):
        yield f"sqlite:///{data}/drover.sqlite3"
        return
    fields = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    given = {field: configured[key] for field, key in fields.items() if configured.get(key)}
    with psycopg.connect(dbname="postgres", autocommit=True, **given) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    yield f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"
    with psycopg.connect(dbname="postgres", autocommit=True, **given) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


_FIRST = """
from django.core.management import call_command
from orchestration.services import agents, users
call_command("migrate", verbosity=0)
users.ensure_admin()
agents.ensure_default()
call_command("create_api_key", user="admin", name="tests")
"""
_MADE: dict[str, Any] = {}


class Drover:
    """Starts, kills and asks. Processes are named web, scheduler, redis, worker-0, worker-1, …"""

    def __init__(self, data: Path, database_url: str, **settings_: Any) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.redis_url = bundled_redis.url(data / "redis.sock")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DROVER_", "OLLAMA_"))},
            "DROVER_DATA": str(data),
            "DATABASE_URL": database_url,
            "REDIS_URL": self.redis_url,
            "SECRET_KEY": "only for tests",
            "ALLOWED_HOSTS": "127.0.0.1,localhost",
            "DROVER_LEASE_SECONDS": "6",
            "DROVER_LEASE_RENEW_SECONDS": "2",
            "DROVER_WORKER_STALE_SECONDS": "6",
            "DROVER_NODE_POLL_SECONDS": "0.5",
            "DROVER_CATALOGUE_URL": "",
            "DROVER_RETRY_DELAY_SECONDS": "0.2",
            **{name.upper(): str(value) for name, value in settings_.items()},
        }
        self.client = httpx.Client(base_url=self.url, timeout=90)
        self.session: Any = None
        """Of the admin in the browser, once somebody has logged in; see browsing.py."""

    def manage(self, *arguments: str) -> str:
        """Runs a management command to its end and returns what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def start(self, name: str, *arguments: str) -> None:
        if name == "redis":
            command = bundled_redis.command(self.data / "redis.sock")
        elif name == "web":
            command = [sys.executable, "manage.py", "web", "--port", str(self.port)]
        else:
            command = [sys.executable, "manage.py", name.partition("-")[0], *arguments]
        with (self.data / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)
        if name == "redis":
            assert bundled_redis.wait_until_answers(self.redis_url)

    def kill(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        process = self.processes.pop(name)
        process.send_signal(how)
        process.wait(PATIENCE)

    def start_all(self, workers: int = 1) -> None:
        self.start("redis")
        self.client.headers["authorization"] = f"Bearer {self._prepare()}"
        for name in ["web", "scheduler", *(f"worker-{number}" for number in range(workers))]:
            self.start(name)
        until(self.healthy, f"Drover in {self.data}")

    def _prepare(self) -> str:
        """Tables, an admin, the default agent; the admin's key. A file of SQLite is made once and copied."""
        database = self.data / "drover.sqlite3"
        sqlite = self._environment["DATABASE_URL"].startswith("sqlite")
        if not (sqlite and _MADE):
            _MADE["key"] = self.manage("shell", "-v", "0", "-c", _FIRST).splitlines()[-1]
            _MADE["database"] = database.read_bytes() if sqlite else b""
        elif sqlite:
            database.write_bytes(_MADE["database"])
        return str(_MADE["key"])

    def healthy(self) -> bool:
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        for name in sorted(self.processes, key=lambda name: name == "redis"):
            process = self.processes[name]
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.client.close()

    def api(self, method: str, path: str, expect: int | None = None, **kwargs: Any) -> Any:
        answer = self.client.request(method, f"/api/orchestration/{path}", **kwargs)
        wanted = (expect is None and answer.is_success) or answer.status_code == expect
        assert wanted, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def connect(self, herd: Herd, **fields: Any) -> None:
        """Adds every node of the herd and waits until the scheduler has seen it."""
        for node in herd.nodes:
            self.api("POST", "nodes", json={"name": node.name, "base_url": node.url, **fields})
        until(lambda: all(node["status"] == "healthy" for node in self.nodes()), "healthy nodes")

    def nodes(self) -> list[dict[str, Any]]:
        return list(self.api("GET", "nodes")["nodes"])

    def submit(self, *inputs: str, **fields: Any) -> list[int]:
        """Ids of new tasks, one for each text, for the default agent."""
        task = {"type": "generate", "model_name": "llama3.2", **fields}
        tasks = [{**task, "input": text} for text in inputs]
        return [task["id"] for task in self.api("POST", "tasks", json={"tasks": tasks})["tasks"]]

    def task(self, task_id: int) -> dict[str, Any]:
        return dict(self.api("GET", f"tasks/{task_id}"))

    def until_ended(self, *task_ids: int, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        open_ids = set(task_ids)

        def all_ended() -> bool:
            open_ids.difference_update([pk for pk in sorted(open_ids) if self.task(pk)["status"] in ENDED])
            return not open_ids

        until(all_ended, f"the end of tasks {sorted(open_ids)}", seconds)
        return [self.task(task_id) for task_id in task_ids]

    def until_running(self, *task_ids: int) -> None:
        until(lambda: all(self.task(pk)["status"] == "running" for pk in task_ids), f"the start of tasks {task_ids}")

    def login_link(self) -> str:
        """The path of a one-time link for the admin."""
        words = self.manage("login_link").split()
        link = next(word for word in reversed(words) if "/start/" in word)
        return "/start/" + link.partition("/start/")[2]


@contextmanager
def running_drover(workers: int = 1, **settings_: Any) -> Iterator[Drover]:
    data = Path(tempfile.mkdtemp(prefix="drover-e2e-"))
    with own_database(data.name.replace("-", "_").lower(), data) as database_url:
        drover = Drover(data, database_url, **settings_)
        try:
            drover.start_all(workers)
            yield drover
        finally:
            drover.stop()
            shutil.rmtree(data, ignore_errors=True)

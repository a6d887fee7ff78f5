"""A workload of the laboratory through a Drover of its own: real processes, real time, one API key for each user."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import groupby
from typing import Any
from urllib.request import urlopen

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from orchestration.management import scratch
from orchestration.management.lab.simulation import Workload
from orchestration.management.lab.work import LabTask
from orchestration.management.realtime import FACTOR, SLOTS, full
from orchestration.management.trial import Trial

NO_LIMIT = 1000
SUBMITTERS = 8
PATIENCE_SECONDS = 900.0
_KEYS = """
import json
from orchestration.models import User
from orchestration.permissions import SYSTEM
from orchestration.services import keys
made = {{name: keys.create(actor=SYSTEM, owner=User.objects.create_user(name), name="bench")[1] for name in {names}}}
print("KEYS" + json.dumps(made))
"""


def run_drover(workload: Workload, tasks: Sequence[LabTask], urls: Sequence[str], database_url: str) -> None:
    """Every task to its end; its times are kept in it, in laboratory seconds."""
    patience = {"HIGH": 2, "NORMAL": 60, "LOW": 300}
    env = {f"DROVER_PATIENCE_{name}_SECONDS": str(seconds / FACTOR) for name, seconds in patience.items()}
    env |= {"OLLAMA_HOSTS": ",".join(urls), "DROVER_SLOTS_PER_MODEL": str(SLOTS), "DROVER_NODE_POLL_SECONDS": "0.5"}
    with scratch.beside(database_url) as database:
        trial = Trial(env=env | {"DATABASE_URL": database})
        with trial, scratch.opened(database or f"sqlite:///{trial.data / 'drover.sqlite3'}") as rows:
            keys = _prepare(trial, workload, sorted({task.user for task in tasks}))
            began, offset = time.monotonic(), timezone.now()
            with ThreadPoolExecutor(SUBMITTERS) as submitters:
                for (born, user), batch in groupby(sorted(tasks, key=_moment), key=_moment):
                    time.sleep(max(0.0, began + born / FACTOR - time.monotonic()))
                    submitters.submit(_submit, trial, keys[user], list(batch))
            _note_times(rows, tasks, offset)


def _prepare(trial: Trial, workload: Workload, users: Sequence[str]) -> dict[str, str]:
    printed = trial.manage("shell", "--no-imports", "-c", _KEYS.format(names=users))
    keys: dict[str, str] = json.loads(printed.partition("KEYS")[2])
    admin = trial.create_key()
    nodes = trial.call("GET", "nodes", admin)[1]["nodes"]
    for node, numbers in zip(nodes, workload.nodes, strict=True):
        _expect(200, trial.call("PUT", f"nodes/{node['id']}", admin, {"vram_bytes": int(numbers.vram_gb * 1024**3)}))
    for name in workload.models:
        config = {"model_name": full(name), "max_concurrent_requests": NO_LIMIT}
        _expect(201, trial.call("POST", "model-configs", admin, config))
    _expect(200, trial.call("PUT", "agents/default", admin, {"config": {"max_concurrent_tasks": NO_LIMIT}}))
    return keys


def _moment(task: LabTask) -> tuple[float, str]:
    """Whoever has many tasks at once sends them in one request."""
    return task.born, task.user


def _submit(trial: Trial, key: str, tasks: Sequence[LabTask]) -> None:
    _expect(202, trial.call("POST", "tasks", key, {"tasks": [_spec(task) for task in tasks]}))


def _spec(task: LabTask) -> dict[str, Any]:
    return {
        "type": "generate",
        "input": f"task {task.id}",
        "model_name": full(task.models[0]),
        "priority": task.priority,
        "client_ref": str(task.id),
        "parameters": {"num_predict": max(1, round(task.output_tokens))},
    }


def _expect(status: int, answer: tuple[int, Any]) -> None:
    if answer[0] != status:
        raise RuntimeError(f"{answer[0]} instead of {status}: {str(answer[1])[:300]}")


def _note_times(rows: BaseDatabaseWrapper, tasks: Sequence[LabTask], began: datetime) -> None:
    """Waits for the last one, then reads when each got its slot and ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    left = "SELECT COUNT(*) FROM orchestration_task WHERE status NOT IN ('completed', 'failed', 'cancelled')"
    while _rows(rows, left)[0][0] and time.monotonic() < deadline:
        time.sleep(0.2)
    by_id = {str(task.id): task for task in tasks}
    ended = "SELECT client_ref, started_at, ended_at FROM orchestration_task WHERE status = 'completed'"
    for reference, started, end in _rows(rows, ended):
        by_id[reference].started = _since(began, started)
        by_id[reference].ended = _since(began, end)
    missing = [task.id for task in tasks if task.ended is None]
    if missing:
        raise RuntimeError(f"{len(missing)} of {len(tasks)} tasks did not complete: {missing[:10]}")


def _rows(rows: BaseDatabaseWrapper, statement: str) -> list[tuple[Any, ...]]:
    with rows.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _since(began: datetime, moment: datetime | str) -> float:
    """Laboratory seconds. SQLite keeps times as text, in UTC."""
    found = parse_datetime(moment) if isinstance(moment, str) else moment
    assert found is not None
    aware = found if found.tzinfo else timezone.make_aware(found, timezone.get_default_timezone())
    return (aware - began).total_seconds() * FACTOR


def loads(urls: Sequence[str]) -> int:
    """How many the servers have done, by their own count."""
    states = [json.load(urlopen(f"{url}/_simulator/state", timeout=10)) for url in urls]
    return sum(state["counts"]["loads_total"] for state in states)

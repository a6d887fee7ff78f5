"""A batch from CSV through a Drover of its own on simulated nodes: counts, memory, the page, the export."""

import csv
import http.client
import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.db.backends.base.base import BaseDatabaseWrapper

from orchestration.management import page_watch, scratch
from orchestration.management.page_watch import PageFound
from orchestration.management.throughput import MODEL, NO_LIMIT, SLOTS, Incomplete, below, name_of, simulator
from orchestration.management.trial import Trial
from orchestration.management.worker_bench import usage

WARM_UP = 200
TOKENS = 6
LOOK_SECONDS = 0.25
PATIENCE_SECONDS = 900.0
TEMPLATE = "Say what {{Review_text}} means to customer {{id}}."


@dataclass(slots=True, kw_only=True)
class Found:
    """``memory``: in MB, of web and worker, when the batch begins, at most, and when it has ended and was exported."""

    rows: int
    seconds: float = 0.0
    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    memory: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    exported: int = 0
    differences: list[str] = field(default_factory=list)
    page: PageFound | None = None

    @property
    def clean(self) -> bool:
        page = self.page
        fine = page is None or (not page.wrong and not page.complaints and page.last.get("completed") == self.rows)
        return fine and not self.wrong and not self.differences and self.exported == self.rows


def table(rows: int) -> str:
    """CSV with line ends, quotes and delimiters inside its cells."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", "Review text"])
    writer.writerows([f"c{number}", f'The "box" {number}; dented,\nbut the lamp works.'] for number in range(rows))
    return out.getvalue()


def measure(rows: int, *, nodes: int, browser: bool, database_url: str = "") -> Found:
    env = {"DROVER_WORKER_CAPACITY": str(SLOTS), "DROVER_SLOTS_PER_MODEL": str(SLOTS // nodes)}
    with simulator(nodes) as (urls, _), scratch.beside(database_url) as database:
        env |= {"OLLAMA_HOSTS": ",".join(urls), "DATABASE_URL": database}
        trial = Trial(env=env)
        with trial, scratch.opened(database or f"sqlite:///{trial.data / 'drover.sqlite3'}") as connection:
            return _measure(trial, connection, rows, browser)


def _measure(trial: Trial, connection: BaseDatabaseWrapper, rows: int, browser: bool) -> Found:
    key, found, over = trial.create_key(), Found(rows=rows), threading.Event()
    _expect(201, trial.call("POST", "model-configs", key, {"model_name": MODEL, "max_concurrent_requests": NO_LIMIT}))
    _expect(200, trial.call("PUT", "agents/default", key, {"config": {"max_concurrent_tasks": NO_LIMIT}}))
    warm = _submit(trial, key, WARM_UP)
    _follow(trial, key, warm, Found(rows=WARM_UP), {})
    list(_export(trial, key, warm))
    run_id, began = _submit(trial, key, rows, paused=browser), time.monotonic()
    with ThreadPoolExecutor(1) as threads:
        page = _open_page(threads, trial, run_id, rows, over) if browser else None
        if browser:
            time.sleep(6)  # until the browser has drawn the page
            _expect(200, trial.call("POST", f"runs/{run_id}/resume", key))
            began = time.monotonic()
        before = _memory(trial)
        most = dict(before)
        try:
            _follow(trial, key, run_id, found, most)
        finally:
            found.seconds = time.monotonic() - began
            over.set()
        found.page = page.result() if page else None
    _compare(connection, run_id, _export(trial, key, run_id), found)
    after = _memory(trial)
    found.memory = {name: (before[name], most[name], after[name]) for name in before}
    return found


def _open_page(
    threads: ThreadPoolExecutor, trial: Trial, run_id: int, rows: int, over: threading.Event
) -> Future[PageFound]:
    link = trial.manage("login_link")
    return threads.submit(page_watch.watch, link, f"{trial.url}/batches/{run_id}", rows, over)


def _submit(trial: Trial, key: str, rows: int, *, paused: bool = False) -> int:
    body = {
        "text": table(rows),
        "template": TEMPLATE,
        "columns": {"client_ref": "id"},
        "model_name": MODEL,
        "parameters": {"num_predict": TOKENS},
        **({"max_parallel": 1} if paused else {}),
    }
    answer = _expect(202, trial.call("POST", "batches", key, body))
    if paused:
        _expect(200, trial.call("POST", f"runs/{answer['id']}/pause", key))
        _expect(200, trial.call("PATCH", f"runs/{answer['id']}", key, {"max_parallel": None}))
    return int(answer["id"])


def _expect(status: int, answer: tuple[int, Any]) -> Any:
    if answer[0] != status:
        raise Incomplete(f"{answer[0]} instead of {status}: {str(answer[1])[:500]}")
    return answer[1]


def _follow(trial: Trial, key: str, run_id: int, found: Found, most: dict[str, float]) -> None:
    """Looks until it has ended; whatever does not sum up, or goes backwards, is noted."""
    deadline, completed = time.monotonic() + PATIENCE_SECONDS, 0
    while True:
        state = _expect(200, trial.call("GET", f"batches/{run_id}", key))
        found.looks += 1
        counts = state["counts"]
        if not sum(counts.values()) == state["rows"] == found.rows or counts["completed"] < completed:
            found.wrong.append(f"{counts} of {state['rows']}, {completed} completed before")
        completed = counts["completed"]
        for name, value in _memory(trial).items():
            most[name] = max(most.get(name, 0.0), value)
        if not counts["pending"] and not counts["running"]:
            return
        if time.monotonic() > deadline:
            raise Incomplete(f"After {PATIENCE_SECONDS:g} s: {counts}.")
        time.sleep(LOOK_SECONDS)


def _memory(trial: Trial) -> dict[str, float]:
    """MB of web and worker, shared pages by share. Linux only."""
    assert trial.process is not None
    found = {"web": 0.0, "worker": 0.0}
    for pid in below(trial.process.pid):
        if (role := name_of(pid)) in found:
            found[role] += usage(pid).pss_kb / 1000
    return found


def _export(trial: Trial, key: str, run_id: int) -> Iterator[dict[str, Any]]:
    parts = urlsplit(trial.url)
    with closing(http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=120)) as connection:
        path = f"/api/orchestration/runs/{run_id}/export?format=jsonl"
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
        for line in connection.getresponse():
            yield json.loads(line)


def _compare(connection: BaseDatabaseWrapper, run_id: int, lines: Iterator[dict[str, Any]], found: Found) -> None:
    """Row by row, in their order."""
    statement = "SELECT id, client_ref, status, input, output, output_tokens FROM orchestration_task WHERE run_id = %s"
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} ORDER BY position", [run_id])
        for stored in cursor.fetchall():
            line = next(lines, None)
            given = line and (line["task_id"], line["client_ref"], line["status"], line["input"], line["output"])
            text = stored[3] if not isinstance(stored[3], str) else json.loads(stored[3])
            if line is None or (given, line["output_tokens"]) != ((*stored[:3], text, stored[4]), stored[5]):
                found.differences.append(f"stored {stored}, exported {line}"[:300])
            found.exported += line is not None
    if next(lines, None) is not None:
        found.differences.append("The export has rows that the database has not.")

"""What may be subscribed to: for each topic its snapshot, and what an event changes in it.

A topic belongs to one subscription of one socket and speaks through its port. The topic of a single task has a file
of its own.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any, ClassVar, Protocol

from django.core.exceptions import TooManyFieldsSent
from django.http import QueryDict
from django.utils import timezone

from dashboard.live.hub import Event, Hub
from dashboard.live.reads import read
from orchestration import payloads, queries
from orchestration.errors import InvalidInput
from orchestration.payloads import TaskRow
from orchestration.permissions import Actor
from orchestration.queries.ids import id_of

REFRESH_SECONDS = 1.0
REASONS_SECONDS = {"load": 2.0, "lanes": 1.0}
"""By kind of event, how often at most the reasons for waiting are read again: places change all the time, reasons
seldom."""
RUNNING_SHOWN = 12
ACTIVITY_SHOWN = 20
ROWS_SHOWN = 50
KNOWN_AT_MOST = 1000
STUCK = timedelta(minutes=10)

Parts = dict[str, Any]
TASK_KINDS = frozenset({"task", "tasks_added", "tasks_changed", "task_deleted"})


class Port(Protocol):
    """How a topic speaks to its socket."""

    @property
    def hub(self) -> Hub: ...

    @property
    def actor(self) -> Actor: ...

    def add(self, seq: str | None, parts: Parts) -> None:
        """Sends these parts as a delta, sooner or later, merged with others."""

    def snap_again(self) -> None:
        """Starts over with a snapshot."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs beside; ends with the subscription."""


class Topic(ABC):
    """``query`` is the query string of the page that subscribes."""

    def __init__(self, port: Port, argument: str, query: str) -> None:
        self.port = port

    @abstractmethod
    async def snapshot(self) -> Any:
        """The whole truth now. What happens while it is made is told by ``on_event`` afterwards."""

    async def replay(self, events: list[Event]) -> Parts | None:
        """What a reader that has everything before these events lacks; None when a snapshot has to tell."""
        return None

    @abstractmethod
    def on_event(self, event: Event) -> None:
        """Something happened after the snapshot was begun."""

    def close(self) -> None:  # noqa: B027 (most topics listen to nothing but events)
        """Lets go of whatever the topic listens to."""


class Refresher:
    """Reads again at most once a second after something changed, and sends what differs from the last time."""

    def __init__(self, port: Port, key: str, function: Callable[..., Parts], *args: Any) -> None:
        self._port = port
        self._key = key
        self._call = (function, *args)
        self._sent: Parts = {}
        self._wanted: tuple[float, str] | None = None
        self._busy = False

    @property
    def latest(self) -> Parts:
        return self._sent

    async def read(self) -> Parts:
        self._sent = await self._port.hub.reads.get(self._key, asyncio.get_running_loop().time(), *self._call)
        return self._sent

    def want(self, seq: str) -> None:
        self._wanted = (asyncio.get_running_loop().time(), seq)
        if not self._busy:
            self._busy = True
            self._port.spawn(self._run())

    async def _run(self) -> None:
        try:
            while self._wanted:
                (since, seq), self._wanted = self._wanted, None
                fresh = await self._port.hub.reads.get(self._key, since, *self._call)
                changed = {name: value for name, value in fresh.items() if self._sent.get(name) != value}
                self._sent = fresh
                if changed:
                    self._port.add(seq, changed)
                await asyncio.sleep(REFRESH_SECONDS)
        finally:
            self._busy = False


class Refreshed(Topic):
    """A topic that is small enough to be read again whenever one of its kinds of events came."""

    kinds: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, port: Port, argument: str, query: str) -> None:
        super().__init__(port, argument, query)
        self.refresher = Refresher(port, type(self).__name__, self.look)

    @staticmethod
    @abstractmethod
    def look() -> Parts:
        """Reads all of it. Runs in a thread."""

    async def snapshot(self) -> Any:
        return await self.refresher.read()

    def on_event(self, event: Event) -> None:
        if event.kind in self.kinds:
            self.refresher.want(event.seq)


class Load(Topic):
    async def snapshot(self) -> Any:
        now = asyncio.get_running_loop().time()
        return await self.port.hub.reads.get("load", now, lambda: queries.load_sample(timezone.now()))

    def on_event(self, event: Event) -> None:
        if event.kind == "load":
            self.port.add(event.seq, {"data": event.data})


class Overview(Refreshed):
    kinds = TASK_KINDS | {"node", "agent", "model", "pause", "lanes"}

    @staticmethod
    def look() -> Parts:
        counts = queries.task_counts()
        running = queries.task_rows(queries.TaskFilter(status=frozenset({"running"})), limit=200).rows
        return {
            "counts": counts,
            "running": running[:RUNNING_SHOWN],
            "attention": list(_attention(counts, running)),
            "pauses": queries.paused(),
            "lanes": queries.waiting_lanes(),
            "activity": queries.audit(limit=ACTIVITY_SHOWN),
        }

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if event.kind == "progress":
            self.port.add(event.seq, {"progress": event.data["rows"]})


def _attention(counts: dict[str, int], running: list[TaskRow]) -> Iterable[dict[str, Any]]:
    """What a person should look at: {kind, text, count} and the name of what is meant."""
    for part, check in queries.health()["checks"].items():
        if not check["ok"]:
            yield {"kind": part, "name": part, "text": check["message"], "count": 1}
    for node in queries.nodes():
        if node["enabled"] and node["health"] == "unhealthy":
            text = f"{node['name']} does not answer: {node['health_reason']}"
            yield {"kind": "node", "name": node["name"], "text": text, "count": 1}
        elif node["enabled"] and node["circuit_words"]:
            text = f"{node['name']}: {node['circuit_words']}"
            yield {"kind": "circuit", "name": node["name"], "text": text, "count": node["faults"]}
    if failed := counts.get("failed_last_hour"):
        yield {"kind": "failed", "name": "failed", "text": f"{failed} failed in the last hour", "count": failed}
    since = payloads.stamp(timezone.now() - STUCK)
    if stuck := sum(1 for row in running if row["started_at"] and row["started_at"] < since):
        yield {"kind": "stuck", "name": "stuck", "text": f"{stuck} running for more than 10 minutes", "count": stuck}


class Nodes(Refreshed):
    kinds = frozenset({"node", "model", "pause", "plans"})

    @staticmethod
    def look() -> Parts:
        return {"nodes": queries.nodes(), "pauses": queries.paused()}


class Notices(Topic):
    async def snapshot(self) -> Any:
        return {"notices": []}

    def on_event(self, event: Event) -> None:
        if event.kind == "notice" and event.data.get("user_id") in (None, self.port.actor.user_id):
            self.port.add(event.seq, {"notices": [{"level": event.data["level"], "text": event.data["text"]}]})


class Tasks(Topic):
    """One page of the list: its rows, those that join it at the top, those that no longer match."""

    def __init__(self, port: Port, argument: str, query: str) -> None:
        super().__init__(port, argument, query)
        given = parsed(query)
        self.filter = queries.TaskFilter.from_query(given)
        self.limit = id_of(given.get("limit", "")) or ROWS_SHOWN
        self.cursor = given.get("cursor")
        self.counts = Refresher(port, "counts", lambda: {"counts": queries.task_counts()})
        self.known: dict[int, TaskRow] = {}
        self.floor = 0
        self._fetching = False
        self._reasons_at = 0.0

    async def snapshot(self) -> Any:
        page = await self._page()
        self.known = {row["id"]: row for row in page.rows}
        self.floor = page.rows[-1]["id"] if page.rows and page.next_cursor else 0
        return {"rows": page.rows, "more": page.next_cursor is not None, **await self.counts.read()}

    async def _page(self) -> queries.Page:
        return await read(queries.task_rows, self.filter, limit=self.limit, cursor=self.cursor)

    async def replay(self, events: list[Event]) -> Parts | None:
        if any(event.kind in ("tasks_added", "tasks_changed") for event in events):
            return None
        data = await self.snapshot()
        latest = {event.data["id"]: event.data for event in events if event.kind == "task"}
        deleted = [event.data["id"] for event in events if event.kind == "task_deleted"]
        rows = [self.known.get(pk, row) for pk, row in latest.items() if self.filter.matches(row)]
        gone = [pk for pk, row in latest.items() if not self.filter.matches(row)]
        return {"rows": rows, "gone": gone + deleted, "counts": data["counts"]}

    def on_event(self, event: Event) -> None:
        handler = self._HANDLERS.get(event.kind)
        if handler:
            handler(self, event)
        if event.kind in TASK_KINDS:
            self.counts.want(event.seq)

    def _on_task(self, event: Event) -> None:
        row: TaskRow = event.data
        known = self.known.get(row["id"])
        if known and row["version"] < known["version"]:
            return
        if not self.filter.matches(row):
            if self.known.pop(row["id"], None):
                self.port.add(event.seq, {"gone": [row["id"]]})
        elif known or (self.cursor is None and row["id"] > self.floor):
            self._show(event.seq, row, known)

    def _show(self, seq: str, row: TaskRow, known: TaskRow | None) -> None:
        """Events do not know why a task waits; what was last read is kept until it is read again."""
        if known and row["status"] == known["status"] and row["waiting_reason"] is None:
            row = {**row, "waiting_reason": known["waiting_reason"], "waiting": known["waiting"]}
        self.known[row["id"]] = row
        if len(self.known) > KNOWN_AT_MOST:
            newest = sorted(self.known, reverse=True)[: KNOWN_AT_MOST // 2]
            self.known = {task_id: self.known[task_id] for task_id in newest}
            self.floor = max(self.floor, newest[-1])
        self.port.add(seq, {"rows": [row]})

    def _on_deleted(self, event: Event) -> None:
        if self.known.pop(event.data["id"], None):
            self.port.add(event.seq, {"gone": [event.data["id"]]})

    def _on_changed(self, event: Event) -> None:
        """Many at once come without rows: any of those shown may be among them."""
        self.port.snap_again()

    def _on_progress(self, event: Event) -> None:
        rows = [row for row in event.data["rows"] if self._runs(row[0])]
        if rows:
            self.port.add(event.seq, {"progress": rows})

    def _runs(self, task_id: int) -> bool:
        return task_id in self.known and self.known[task_id]["status"] == "running"

    def _on_added(self, event: Event) -> None:
        """Many at once come without rows: only those that the first page would show are fetched."""
        self.port.add(event.seq, {"added": event.data})
        if self.cursor is None and not self._fetching:
            self._fetching = True
            self.port.spawn(self._fetch(event.seq))

    async def _fetch(self, seq: str) -> None:
        await asyncio.sleep(REFRESH_SECONDS / 4)
        self._fetching = False
        page = await self._page()
        for row in page.rows:
            known = self.known.get(row["id"])
            if known is None or known["version"] < row["version"]:
                self._show(seq, row, known)
        if page.rows and page.next_cursor:
            self.floor = max(self.floor, page.rows[-1]["id"])

    def _on_lanes(self, event: Event) -> None:
        """What holds up whole lanes has changed."""
        self._look_for_reasons(event, {int(lane_id) for lane_id in event.data})

    def _on_load(self, event: Event) -> None:
        self._look_for_reasons(event, None)

    def _look_for_reasons(self, event: Event, lanes: set[int] | None) -> None:
        now = asyncio.get_running_loop().time()
        pending = [row for row in self.known.values() if row["status"] == "pending"]
        waiting = [row["id"] for row in pending if lanes is None or row["lane_id"] in lanes]
        if waiting and now - self._reasons_at >= REASONS_SECONDS[event.kind]:
            self._reasons_at = now
            self.port.spawn(self._tell_reasons(event.seq, sorted(waiting, reverse=True)[:200]))

    async def _tell_reasons(self, seq: str, waiting: list[int]) -> None:
        reasons: dict[int, Parts] = {}
        for row in await read(queries.task_rows_by_id, waiting):
            known = self.known.get(row["id"])
            if known and row["version"] == known["version"] and row["waiting_reason"] != known["waiting_reason"]:
                known["waiting_reason"], known["waiting"] = row["waiting_reason"], row["waiting"]
                reasons[row["id"]] = {"waiting_reason": row["waiting_reason"], "waiting": row["waiting"]}
        if reasons:
            self.port.add(seq, {"reasons": reasons})

    _HANDLERS: ClassVar[dict[str, Callable[["Tasks", Event], None]]] = {
        "task": _on_task,
        "task_deleted": _on_deleted,
        "tasks_added": _on_added,
        "tasks_changed": _on_changed,
        "progress": _on_progress,
        "lanes": _on_lanes,
        "load": _on_load,
    }


class Run(Tasks):
    """A run and the first of its tasks, in the order of their ids."""

    def __init__(self, port: Port, argument: str, query: str) -> None:
        super().__init__(port, argument, f"run={number(argument)}&limit=200")
        self.run_id = number(argument)
        self.counts = Refresher(port, f"run:{self.run_id}", _run, self.run_id)

    async def snapshot(self) -> Any:
        return {name: value for name, value in (await super().snapshot()).items() if name != "counts"}

    async def replay(self, events: list[Event]) -> Parts | None:
        return None

    def on_event(self, event: Event) -> None:
        if event.kind == "run" and event.data["id"] == self.run_id:
            self.counts.want(event.seq)
        elif self._concerns(event):
            super().on_event(event)

    def _concerns(self, event: Event) -> bool:
        if event.kind in ("task", "tasks_added"):
            return bool(event.data["run_id"] == self.run_id)
        return event.kind != "task_deleted" or event.data["id"] in self.known


def _run(run_id: int) -> Parts:
    return {"run": payloads.run(queries.get_run(run_id), counts=queries.run_counts(run_id))}


def number(argument: str) -> int:
    found = id_of(argument)
    if found is None:
        raise InvalidInput(f"{argument!r} is not an id.")
    return found


def parsed(query: str) -> QueryDict:
    try:
        return QueryDict(query)
    except TooManyFieldsSent as error:
        raise InvalidInput("The filter has too many fields.") from error

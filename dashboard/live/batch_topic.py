"""Batches live: how far one is and a page of its rows beside their answers, and the list of them.

Thousands of tasks may end in a minute. Each costs one mark here; counts are read at most once a second, and of rows
only those that the page shows.
"""

import asyncio
from typing import Any

from dashboard.live.hub import Event
from dashboard.live.reads import read
from dashboard.live.topics import TASK_KINDS, Parts, Port, Refreshed, Refresher, Run, Topic, number, parsed
from orchestration.payloads.batches import BatchRow
from orchestration.queries.batches import (
    PAGE_ROWS,
    BatchPage,
    batch_detail,
    batch_rows,
    batch_rows_by_task,
    batches,
    get_batch,
)

ROWS_SECONDS = 0.5
LISTED = 25


def run_topic(port: Port, argument: str, query: str) -> Topic:
    """``view=batch`` is a batch with rows as its page shows them; without it a run is a run."""
    return Batch(port, argument, query) if parsed(query).get("view") == "batch" else Run(port, argument, query)


class Batch(Topic):
    def __init__(self, port: Port, argument: str, query: str) -> None:
        super().__init__(port, argument, query)
        given = parsed(query)
        self.run_id = number(argument)
        self.cursor = given.get("cursor") or None
        self.status, self.error = given.get("status", ""), given.get("error", "")
        self.sums = Refresher(port, f"batch:{self.run_id}", _sums, self.run_id)
        self.shown: frozenset[int] = frozenset()
        self._stale: set[int] = set()
        self._reading = False

    async def snapshot(self) -> Any:
        page = await read(self._page)
        self.shown = frozenset(row["task_id"] for row in page.rows)
        return {"lines": page.rows, **await self.sums.read()}

    def _page(self) -> BatchPage:
        run = get_batch(self.run_id)
        return batch_rows(run, cursor=self.cursor, limit=PAGE_ROWS, status=self.status, error_code=self.error)

    def on_event(self, event: Event) -> None:
        if event.kind == "task":
            self._on_task(event)
        elif event.kind == "progress":
            rows = [row for row in event.data["rows"] if row[0] in self.shown]
            if rows:
                self.port.add(event.seq, {"progress": rows})
        elif event.kind == "task_deleted":
            if event.data["id"] in self.shown:
                self.port.snap_again()
        elif event.kind == "run":
            if event.data["id"] == self.run_id:
                self.sums.want(event.seq)
        elif event.kind == "load":
            if self._runs():
                self.sums.want(event.seq)
        elif event.kind in TASK_KINDS and event.data.get("run_id", self.run_id) == self.run_id:
            self.sums.want(event.seq)
            self._look_again(event.seq, self.shown)

    def _runs(self) -> bool:
        """Then its speed and its expected end change even while no row ends."""
        return bool(self.sums.latest and self.sums.latest["batch"]["counts"]["running"])

    def _on_task(self, event: Event) -> None:
        if event.data["run_id"] == self.run_id:
            self.sums.want(event.seq)
            self._look_again(event.seq, {event.data["id"]} & self.shown)

    def _look_again(self, seq: str, task_ids: set[int] | frozenset[int]) -> None:
        self._stale |= task_ids
        if self._stale and not self._reading:
            self._reading = True
            self.port.spawn(self._read(seq))

    async def _read(self, seq: str) -> None:
        try:
            while self._stale:
                await asyncio.sleep(ROWS_SECONDS)
                wanted, self._stale = self._stale, set()
                self.port.add(seq, {"lines": await read(_rows, self.run_id, wanted)})
        finally:
            self._reading = False


def _sums(run_id: int) -> Parts:
    return {"batch": batch_detail(run_id)}


def _rows(run_id: int, task_ids: set[int]) -> list[BatchRow]:
    return batch_rows_by_task(get_batch(run_id), task_ids)


class Batches(Refreshed):
    """The newest ones."""

    kinds = TASK_KINDS | {"run"}

    @staticmethod
    def look() -> Parts:
        return {"batches": batches(limit=LISTED)[0]}

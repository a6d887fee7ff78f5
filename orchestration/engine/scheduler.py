"""The scheduler process: one leader by lease decides on every wake-up and every second; the others stand by.

The decision itself is pure (policy/placement.py); here it is fed, written in one transaction, and sent on.
"""

import gc
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connections, transaction
from django.utils import timezone

from orchestration import events, queries, queue
from orchestration.engine import errand_grants
from orchestration.engine.catalogue import Librarian
from orchestration.engine.historian import WRITE_SECONDS, Historian
from orchestration.engine.housekeeping import Housekeeper
from orchestration.engine.lessons import Lessons, move_log, read_lessons
from orchestration.engine.loader import Loader
from orchestration.engine.monitor import Monitor
from orchestration.engine.view import fleet_view
from orchestration.policy.errands import ErrandDecision
from orchestration.policy.placement import decide
from orchestration.policy.reasons import without_redis
from orchestration.queries.status import SCHEDULER_ROLE
from orchestration.queue import AttemptJob
from orchestration.services import (
    gathering,
    grants,
    lanes,
    learning,
    memories,
    nodes,
    plans,
    processes,
    runs,
    setbacks,
    steps,
    unused,
)
from orchestration.services.again import was_resolved

log = logging.getLogger(__name__)

AT_ONCE_SECONDS = 0.005
"""A wake-up that comes within this time was there already."""
LEADER_LEASE = timedelta(seconds=5)
LESSONS_SECONDS = 1.0
GATHER_SECONDS = 0.1
"""Of each second, at most, in which answers are taken into the search."""
CLEAR_EVERY = timedelta(hours=1)
AWAY_SECONDS, RESOLVED_SECONDS = 1.0, 0.1
"""The rest after a database that did not answer, and after a deadlock that it resolved at our cost."""
COALESCE_SECONDS = 0.02
"""Events that come in bursts share a pass. From the beginning of one to that of the next where there was time to rest;
where there was none, from its end, because on a small machine others must get on as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What one pass did. ``more``: another one should follow at once. ``loads``: whether a load may begin. ``held``:
    False when the role was no longer held, and nothing was decided."""

    held: bool = True
    granted: int = 0
    loads: bool = False
    more: bool = False


def run_pass(now: datetime, *, lessons: Lessons | None = None, holder: str = "") -> Pass:
    """One look at everything that may have changed, decided and written in one transaction.

    ``holder``: who must still hold the scheduler's role, which is renewed with it and which nobody else can take before
    the commit. Grants nothing while Redis refuses: the jobs could not be sent, and each grant would be a lost lease.
    """
    redis_answers = queue.answers()
    jobs: list[AttemptJob] = []
    with transaction.atomic():
        transaction.on_commit(lambda: queue.run_attempts(jobs), robust=True)  # before whoever watches is told
        if holder and not processes.renew_role(role=SCHEDULER_ROLE, holder=holder, lease=LEADER_LEASE, now=now):
            return Pass(held=False)
        steps.promote(now=now)
        view = fleet_view(now, lessons)
        errands = errand_grants.decided(view, redis_answers=redis_answers) if view.errands else ErrandDecision()
        view = errand_grants.beside(view, errands)
        decision = decide(view) if redis_answers else without_redis(view)
        jobs += grants.assign(grants=decision.grants, now=now)
        for abort in decision.aborts:
            setbacks.preempt(attempt_id=abort.attempt_id, reason=abort.reason, now=now)
        begun = plans.write(decision=decision, now=now)
        service = grants.charged(service=decision.service, grants=decision.grants, jobs=jobs)
        plans.keep_accounts(service=service, waiting=view.waiting_shares, known=view.shares)
        jobs += grants.assign(grants=errands.grants, now=now) if errands.grants else []
        waiting = {**decision.waiting, **errands.waiting}
        lanes.explain(waiting=waiting, lanes={lane.id: lane for lane in (*view.lanes, *view.errands)}, now=now)
    return Pass(granted=len(jobs), loads=bool(begun), more=decision.more and bool(jobs))


def tidy(now: datetime, *, holder: str = "") -> bool:
    """What no decision should wait for, done after it: leases and back-offs that have ended, lessons of what has.

    Whether another decision should follow at once.
    """
    with transaction.atomic():
        if holder and not processes.holds_role(role=SCHEDULER_ROLE, holder=holder, now=now):
            return False
        learning.settle()
        lost = setbacks.expire_leases(now=now)
        return bool(setbacks.release_due(now=now) or lost)


class Scheduler:
    """Holds the role while it can; everything a leader does stops with the lease."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._leads = threading.Event()
        self._loader = Loader(self._stop, self._leads)
        self._historian = Historian(self._holder)
        self._lessons: Lessons | None = None
        self._cleared_at: datetime | None = None
        self._fault: BaseException | None = None
        self._rested = True

    def run(self) -> None:
        """Blocks until ``stop`` is set. Raises what a helper could not handle: a supervisor starts the process anew."""
        helpers = [
            threading.Thread(target=self._vital, args=(Monitor(self._stop, self._leads).run,), name="monitor"),
            threading.Thread(target=self._vital, args=(self._loader.run,), name="loader"),
            threading.Thread(target=self._vital, args=(Librarian(self._stop, self._leads).run,), name="librarian"),
            threading.Thread(target=self._vital, args=(self._sample,), name="sample"),
            threading.Thread(target=self._vital, args=(self._write_history,), name="history"),
            threading.Thread(target=self._vital, args=(self._study,), name="lessons"),
            threading.Thread(target=self._vital, args=(self._keep_house,), name="housekeeping"),
        ]
        for helper in helpers:
            helper.start()
        gc.freeze()  # what start-up made is never garbage, and looking through it takes longer than a decision
        try:
            while not self._stop.is_set():
                self._guarded(self._turn)
        finally:
            self._stop.set()
            self._loader.look()
            for helper in helpers:
                helper.join()
            if self._leads.is_set():
                self._guarded(lambda: processes.release_role(role=SCHEDULER_ROLE, holder=self._holder))
        if self._fault:
            raise self._fault

    def _vital(self, work: Callable[[], None]) -> None:
        """A scheduler that polls no nodes, loads nothing or tells no load must not go on as if all were well."""
        try:
            work()
        except BaseException as fault:
            self._fault = fault
        finally:
            self._stop.set()
            connections.close_all()  # a pool gets back only what is given back

    def _turn(self) -> None:
        began, now = time.monotonic(), timezone.now()
        if not self._leads.is_set():
            fence = processes.hold_role(role=SCHEDULER_ROLE, holder=self._holder, lease=LEADER_LEASE, now=now)
            self._lead(fence is not None)
        done = run_pass(now, lessons=self._lessons, holder=self._holder) if self._leads.is_set() else Pass()
        self._lead(self._leads.is_set() and done.held)
        if done.loads:
            self._loader.look()
        took = time.monotonic() - began if self._rested else 0.0
        self._stop.wait(max(0.0, COALESCE_SECONDS - took))
        # After the pause, in which workers start what has just been granted: SQLite has one writer at a time.
        again = self._leads.is_set() and tidy(now, holder=self._holder)
        self._rested = not (done.more or again) and self._wait()

    def _lead(self, leads: bool) -> None:
        if leads != self._leads.is_set():
            log.info("%s %s", self._holder, "leads" if leads else "stands by")
        if leads:
            self._leads.set()
        else:
            self._leads.clear()

    def _wait(self) -> bool:
        """Until the next wake-up or the next second; without Redis only the clock is left. False when one was due.

        Each wake-up is heard by one process: whoever stands by must not take the leader's."""
        started = time.monotonic()
        seconds = settings.DROVER_PASS.total_seconds()
        if not (self._leads.is_set() and events.wait_for_wake(seconds)):
            self._stop.wait(max(0.0, seconds - (time.monotonic() - started)))
        return time.monotonic() - started > AT_ONCE_SECONDS

    def _study(self) -> None:
        """What changes slowly is read beside the decisions, which would wait for it otherwise."""
        while not self._stop.wait(LESSONS_SECONDS):
            if self._leads.is_set():
                self._guarded(self._read_lessons)
            else:
                self._lessons = None

    def _read_lessons(self) -> None:
        now = timezone.now()
        self._lessons = read_lessons(now, self._lessons)
        move_log()
        processes.forget_dead_workers(now=now)
        memories.gather()
        gathering.gather(seconds=GATHER_SECONDS)
        runs.keep_limits(now=now)
        nodes.end_rests(now=now)
        if self._cleared_at is None or now - self._cleared_at > CLEAR_EVERY:
            self._cleared_at = now
            unused.forget_unused(now=now)
            gathering.sweep()

    def _sample(self) -> None:
        while not self._stop.wait(1.0):
            if self._leads.is_set():
                self._guarded(self._tell_load)

    def _tell_load(self) -> None:
        now = timezone.now()
        sample = queries.load_sample(now)
        self._historian.note(now, sample)
        events.publish([("load", sample)])

    def _write_history(self) -> None:
        """Once more at the end, so that a restart leaves no gap."""
        ends = False
        while not ends:
            ends = self._stop.wait(WRITE_SECONDS)
            if self._leads.is_set():
                self._guarded(self._historian.write)
            else:
                self._historian.forget()

    def _keep_house(self) -> None:
        housekeeper = Housekeeper(self._stop, self._leads)
        while not self._stop.wait(1.0):
            if self._leads.is_set():
                self._guarded(housekeeper.look)

    def _guarded(self, work: Callable[[], object]) -> None:
        """A database that is away for a moment must not end the process; nothing is half-written."""
        try:
            work()
        except (DatabaseError, InterfaceError) as error:
            log.warning("the database did not answer, trying again: %s", error)
            close_old_connections()
            self._stop.wait(RESOLVED_SECONDS if was_resolved(error) else AWAY_SECONDS)


def run(stop: threading.Event) -> None:
    """The whole process; blocks until ``stop`` is set."""
    Scheduler(stop).run()

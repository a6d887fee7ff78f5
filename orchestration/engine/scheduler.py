"""The scheduler process: one leader by lease decides on every wake-up and every second; the others stand by.

The decision itself is pure (policy/placement.py); here it is fed, written in one transaction, and sent on.
"""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, transaction
from django.utils import timezone

from orchestration import events, queries, queue
from orchestration.engine.monitor import Monitor
from orchestration.engine.view import fleet_view
from orchestration.policy.placement import Decision, decide
from orchestration.queries.status import SCHEDULER_ROLE
from orchestration.services import grants, lanes, processes, setbacks, tasks

log = logging.getLogger(__name__)

LEADER_LEASE = timedelta(seconds=5)
COALESCE_SECONDS = 0.02
"""After a pass the next one starts no sooner than this: events that come in bursts share one."""


def run_pass(now: datetime) -> int:
    """One look at everything that may have changed; the number of attempts granted.

    Grants nothing while Redis refuses: the jobs could not be sent, and each grant would be a lost lease.
    """
    redis_answers = queue.answers()
    with transaction.atomic():
        setbacks.expire_leases(now=now)
        tasks.promote(now=now)
        decision = decide(fleet_view(now)) if redis_answers else Decision()
        jobs = grants.assign(grants=decision.grants, now=now)
        lanes.explain(reasons=decision.lane_reasons, redis_answers=redis_answers)
    if jobs:
        queue.run_attempts(jobs)
    return len(jobs)


class Scheduler:
    """Holds the role while it can; everything a leader does stops with the lease."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._leads = threading.Event()
        self._fault: BaseException | None = None

    def run(self) -> None:
        """Blocks until ``stop`` is set. Raises what a helper could not handle: a supervisor starts the process anew."""
        helpers = [
            threading.Thread(target=self._vital, args=(Monitor(self._stop, self._leads).run,), name="monitor"),
            threading.Thread(target=self._vital, args=(self._sample,), name="load"),
        ]
        for helper in helpers:
            helper.start()
        try:
            while not self._stop.is_set():
                self._guarded(self._turn)
        finally:
            self._stop.set()
            for helper in helpers:
                helper.join()
            if self._leads.is_set():
                self._guarded(lambda: processes.release_role(role=SCHEDULER_ROLE, holder=self._holder))
        if self._fault:
            raise self._fault

    def _vital(self, work: Callable[[], None]) -> None:
        """A scheduler that polls no nodes or tells no load must not go on as if all were well."""
        try:
            work()
        except BaseException as fault:
            self._fault = fault
        finally:
            self._stop.set()

    def _turn(self) -> None:
        now = timezone.now()
        self._lead(processes.hold_role(role=SCHEDULER_ROLE, holder=self._holder, lease=LEADER_LEASE, now=now))
        if self._leads.is_set():
            run_pass(now)
            processes.forget_dead_workers(now=now)
        self._stop.wait(COALESCE_SECONDS)
        self._wait()

    def _lead(self, fence: int | None) -> None:
        if (fence is not None) != self._leads.is_set():
            log.info("%s %s", self._holder, "leads" if fence is not None else "stands by")
        if fence is None:
            self._leads.clear()
        else:
            self._leads.set()

    def _wait(self) -> None:
        """Until the next wake-up or the next second; without Redis only the clock is left."""
        started = time.monotonic()
        seconds = settings.DROVER_PASS.total_seconds()
        if not events.wait_for_wake(seconds):
            self._stop.wait(max(0.0, seconds - (time.monotonic() - started)))

    def _sample(self) -> None:
        while not self._stop.wait(1.0):
            if self._leads.is_set():
                self._guarded(lambda: events.publish([("load", queries.load_sample(timezone.now()))]))

    def _guarded(self, work: Callable[[], object]) -> None:
        """A database that is away for a moment must not end the process; nothing is half-written."""
        try:
            work()
        except (DatabaseError, InterfaceError) as error:
            log.warning("the database did not answer, trying again: %s", error)
            close_old_connections()
            self._stop.wait(1.0)


def run(stop: threading.Event) -> None:
    """The whole process; blocks until ``stop`` is set."""
    Scheduler(stop).run()

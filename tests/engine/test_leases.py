"""Leases of everything that runs, renewed in one go; and the row that tells the scheduler what there is room for."""

import asyncio
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone
from rq.job import Job

from orchestration.engine.handles import Handle, StopReason
from orchestration.engine.leases import Leases, Profile
from orchestration.services import attempts, processes
from orchestration.services.attempts import Renewal
from tests.engine.conftest import wait_until


class DirectWriter:
    """Calls the service at once, in this thread; ``away`` is what the database says instead."""

    def __init__(self):
        self.away = None
        self.calls = []

    async def call(self, service, /, *args, **kwargs):
        self.calls.append(service)
        if self.away:
            raise self.away
        return service(*args, **kwargs)


@pytest.fixture
def writer():
    return DirectWriter()


class Load:
    in_use, stopping = 0, False


@pytest.fixture
def load():
    return Load()


@pytest.fixture
def leases(writer, load):
    profile = Profile(name="w-1", hostname="here", pid=7, capacity=5, started_at=timezone.now())
    return Leases(profile, writer, in_use=lambda: load.in_use, stopping=lambda: load.stopping)


def held(leases, attempt_id, since=None):
    handle = Handle(Job(f"attempt-{attempt_id}", connection=object()))
    leases.hold(
        attempt_id, f"token-{attempt_id}", handle, asyncio.get_running_loop().time() if since is None else since
    )
    return handle


@pytest.fixture
def renewal(monkeypatch):
    """What the next renewals answer; the tokens they were asked for."""
    asked = []
    answer = Renewal()

    def renew(*, tokens):
        asked.append(dict(tokens))
        return answer

    monkeypatch.setattr(attempts, "renew", renew)
    return answer, asked


async def test_all_leases_are_renewed_in_one_call(leases, writer, renewal):
    handles = [held(leases, number) for number in range(3)]
    await leases.renew()
    assert renewal[1] == [{0: "token-0", 1: "token-1", 2: "token-2"}]
    assert len(writer.calls) == 1
    assert [handle.reason for handle in handles] == [None] * 3


async def test_what_is_lost_or_unwanted_is_stopped_with_its_reason(leases, renewal):
    fine, lost, unwanted = (held(leases, number) for number in range(3))
    renewal[0].lost.add(1)
    renewal[0].cancel.add(2)
    await leases.renew()
    assert [handle.reason for handle in (fine, lost, unwanted)] == [None, StopReason.LOST, StopReason.CANCELLED]


async def test_what_has_ended_is_not_renewed(leases, renewal):
    held(leases, 1), held(leases, 2)
    leases.release(1)
    await leases.renew()
    assert renewal[1] == [{2: "token-2"}]


async def test_what_was_given_up_is_not_renewed_behind_its_back(leases, renewal):
    held(leases, 1).stop(StopReason.LOST)
    held(leases, 2)
    await leases.renew()
    assert renewal[1] == [{2: "token-2"}]


async def test_a_failed_renewal_stops_nobody_yet(leases, writer, renewal):
    handle = held(leases, 1)
    writer.away = OperationalError("away")
    await leases.renew()
    assert handle.reason is None


async def test_without_a_renewal_the_watchdog_stops_what_may_be_somebody_elses(leases, settings):
    settings.DROVER_LEASE = timedelta(seconds=10)
    now = asyncio.get_running_loop().time()
    old, young = held(leases, 1, since=now - 11), held(leases, 2, since=now)
    watching = asyncio.create_task(leases.watch_forever())
    settings.DROVER_LEASE = timedelta(seconds=0.1)
    await asyncio.to_thread(wait_until, lambda: old.reason)
    watching.cancel()
    assert (old.reason, young.reason) == (StopReason.LOST, None)


@pytest.fixture
def beats(monkeypatch):
    told = []
    monkeypatch.setattr(processes, "worker_beat", lambda **fields: told.append((fields["in_use"], fields["stopping"])))
    return told


async def test_a_change_is_told_at_once_and_no_change_is_not(leases, load, beats):
    await leases.beat()
    await leases.beat()
    load.in_use = 3
    await leases.beat()
    load.stopping = True
    await leases.beat()
    assert beats == [(0, False), (3, False), (3, True)]


async def test_life_is_told_even_without_a_change(leases, settings, beats):
    settings.DROVER_LEASE_RENEW = timedelta(0)
    await leases.beat()
    await leases.beat()
    assert len(beats) == 2


async def test_a_beat_that_could_not_be_written_is_written_later(leases, writer, beats):
    writer.away = OperationalError("away")
    await leases.beat()
    writer.away = None
    await leases.beat()
    assert beats == [(0, False)]

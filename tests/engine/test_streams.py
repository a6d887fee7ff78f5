"""The loop of a worker and what it holds, without RQ around it."""

import threading
import time

import pytest
from django.utils import timezone
from rq.job import Job

from orchestration.engine.handles import Handle, StopReason
from orchestration.engine.leases import Profile
from orchestration.engine.streams import Streams
from orchestration.models import WorkerProcess
from tests.engine.conftest import wait_until


@pytest.fixture
def ended():
    """What has ended: job id and outcome."""
    return {}


@pytest.fixture
def streams(redis_server, transactional_db, ended):
    profile = Profile(name="w-1", hostname="here", pid=1, capacity=5, started_at=timezone.now())
    streams = Streams(profile, lambda handle, outcome: ended.update({handle.job.id: outcome}))
    streams.start()
    yield streams
    if streams.alive:
        streams.close()
    assert not streams.alive


def begin(streams, function, *arguments, job_id="j-1"):
    job = Job.create(f"tests.engine.sample_jobs.{function}", args=arguments, id=job_id, connection=object())
    handle = Handle(job)
    assert streams.claim(handle)
    streams.begin([handle])
    return handle


def test_coroutines_and_functions_run_side_by_side(streams, ended):
    begin(streams, "double", 21, job_id="a")
    begin(streams, "add", 1, 2, job_id="b")
    wait_until(lambda: len(ended) == 2)
    assert (ended["a"].value, ended["b"].value) == (42, 3)
    assert streams.count == 0


def test_a_job_that_breaks_takes_nobody_along(streams, ended):
    begin(streams, "sleep_long", job_id="long")
    begin(streams, "break_down", job_id="broken")
    wait_until(lambda: "broken" in ended)
    assert "this job is broken" in ended["broken"].error
    assert [handle.job.id for handle in streams.running()] == ["long"]
    streams.stop_all(StopReason.SHUTDOWN)
    assert streams.wait_until_empty(time.monotonic() + 10)
    assert ended["long"].stopped


def test_the_same_job_is_not_claimed_twice(streams):
    handle = begin(streams, "sleep_long")
    assert not streams.claim(Handle(handle.job))
    assert streams.stop("j-1", StopReason.CANCELLED)
    assert streams.wait_until_empty(time.monotonic() + 10)
    assert not streams.stop("j-1", StopReason.CANCELLED)


def test_somebody_who_waits_for_room_is_woken_by_an_end(streams):
    begin(streams, "sleep_long")
    woken = threading.Event()
    waiting = threading.Thread(target=lambda: (streams.wait_for_end(60), woken.set()))
    waiting.start()
    streams.stop("j-1", StopReason.CANCELLED)
    assert woken.wait(10)
    waiting.join()


def test_the_heartbeat_row_comes_with_the_start_and_tells_of_the_end(streams):
    wait_until(lambda: WorkerProcess.objects.filter(name="w-1", stopping=False).exists())
    streams.announce_stopping()
    wait_until(lambda: WorkerProcess.objects.filter(name="w-1", stopping=True).exists())
    streams.close()
    assert not WorkerProcess.objects.exists()


def test_what_does_not_end_is_left_to_its_lease(streams, ended):
    begin(streams, "sleep_long")
    streams.close()
    assert not streams.alive
    assert ended == {}


def test_what_can_go_on_elsewhere_is_given_up_as_soon_as_the_worker_is_to_stop(streams, ended):
    begin(streams, "sleep_long", job_id="stays")
    begin(streams, "sleep_long", job_id="resumes").resumes = True
    streams.announce_stopping()
    wait_until(lambda: "resumes" in ended)
    assert [handle.job.id for handle in streams.running()] == ["stays"]
    assert WorkerProcess.objects.get(name="w-1").stopping
    streams.stop_all(StopReason.SHUTDOWN)
    assert streams.wait_until_empty(time.monotonic() + 10)

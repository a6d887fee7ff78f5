"""The worker seen from outside: rows, Redis and the simulated server's own account."""

import json
import signal
import threading
import time
from datetime import timedelta

import django_rq
import pytest
from rq import Queue, Worker
from rq.command import send_shutdown_command, send_stop_job_command
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from orchestration import events, queue
from orchestration.engine.worker import StreamWorker
from orchestration.models import Attempt, Task, WorkerProcess
from orchestration.policy.states import AttemptStatus, TaskStatus
from orchestration.services import tasks
from tests.engine.conftest import HEAVY, SLOW, job_of, statuses, wait_until


def in_phase(gpu, phase):
    return gpu.state()["phases"][phase]


def frames_of(attempt):
    return [json.loads(fields["f"]) for _, fields in events.connection().xrange(events.attempt_stream(attempt.pk))]


def text_of(attempt):
    """What a reader puts together who drops what it already has."""
    text = ""
    for frame in frames_of(attempt):
        if "t" in frame:
            assert frame["o"] <= len(text), "a gap"
            text += frame["t"][len(text) - frame["o"] :]
    return text


def has_ended(attempts):
    pks = [attempt.pk for attempt in attempts]
    return not Attempt.objects.filter(pk__in=pks, ended_at=None).exists()


def rq_job(attempt):
    return Job.fetch(queue.job_id(attempt.pk), connection=django_rq.get_connection("normal"), serializer=JSONSerializer)


def plain_queue():
    return Queue("normal", connection=django_rq.get_connection("normal"), serializer=JSONSerializer)


def test_a_granted_attempt_is_run_to_its_end(grant, start_worker, gpu):
    worker = start_worker()
    (attempt,) = grant()
    wait_until(lambda: has_ended([attempt]))
    task = Task.objects.get(pk=attempt.task_id)
    assert (task.status, task.output_tokens) == (TaskStatus.COMPLETED, 20)
    assert task.output
    assert task.load_seconds is not None
    attempt.refresh_from_db()
    assert (attempt.status, attempt.worker) == (AttemptStatus.COMPLETED, worker.worker.name)
    assert attempt.request["options"] == {"num_predict": 20, "num_ctx": 4096}
    assert gpu.state()["counts"]["outcomes"] == {"ok": 1}


def test_the_live_text_is_the_stored_text_and_ends_with_the_outcome(grant, start_worker):
    start_worker()
    (attempt,) = grant(model=SLOW)
    wait_until(lambda: frames_of(attempt) and frames_of(attempt)[-1] == {"end": "completed"})
    assert text_of(attempt) == Task.objects.get(pk=attempt.task_id).output
    assert len(frames_of(attempt)) > 3
    assert 0 < events.connection().ttl(events.attempt_stream(attempt.pk)) <= events.ATTEMPT_STREAM_SECONDS


def test_rq_is_told_after_the_end(grant, start_worker):
    start_worker()
    (attempt,) = grant()
    wait_until(lambda: rq_job(attempt).get_status() == JobStatus.FINISHED)
    job = rq_job(attempt)
    assert 0 < job.connection.ttl(job.key) <= queue.RESULT_SECONDS
    assert plain_queue().started_job_registry.get_job_ids() == []
    assert job.id in plain_queue().finished_job_registry.get_job_ids()


def test_the_worker_shows_up_like_any_worker_of_rq(grant, start_worker):
    worker = start_worker()
    grant(model=SLOW)
    connection = django_rq.get_connection("normal")
    wait_until(lambda: [it.get_state() for it in Worker.all(connection)] == ["busy"])
    (seen,) = Worker.all(connection)
    assert seen.name == worker.worker.name
    assert seen.queue_names() == ["high", "normal", "low"]
    assert seen.get_current_job_id()
    wait_until(lambda: [it.get_state() for it in Worker.all(connection)] == ["idle"])
    worker.stop()
    assert Worker.all(connection) == []


def test_the_heartbeat_row_tells_what_is_in_use_and_goes_with_the_worker(grant, start_worker):
    worker = start_worker(capacity=7)
    row = wait_until(lambda: WorkerProcess.objects.filter(name=worker.worker.name).first())
    assert (row.capacity, row.in_use, row.stopping) == (7, 0, False)
    grant(3, model=SLOW)
    wait_until(lambda: WorkerProcess.objects.get().in_use == 3)
    worker.stop()
    assert not WorkerProcess.objects.exists()


def test_it_takes_no_more_than_it_has_room_for(grant, start_worker, gpu):
    start_worker(capacity=3)
    attempts = grant(7, model=SLOW)
    most = 0

    def all_ended():
        nonlocal most
        most = max(most, Attempt.objects.filter(status=AttemptStatus.RUNNING).count())
        return has_ended(attempts)

    wait_until(all_ended)
    assert most == 3
    assert statuses(attempts) == [TaskStatus.COMPLETED] * 7


def test_the_more_urgent_queue_comes_first(grant, start_worker):
    low, high = grant(4, priority="low"), grant(2, priority="high")
    start_worker(capacity=1)
    wait_until(lambda: has_ended(low + high))
    order = Attempt.objects.order_by("started_at").values_list("queue", flat=True)
    assert list(order) == ["high", "high", "low", "low", "low", "low"]


def test_stopping_one_of_twenty_leaves_the_other_nineteen_alone(grant, start_worker, gpu, as_alice):
    start_worker()
    attempts = grant(20, model=SLOW, options={"num_predict": 30})
    wait_until(lambda: in_phase(gpu, "decode") == 20)
    tasks.cancel(actor=as_alice, task_id=attempts[7].task_id)
    wait_until(lambda: gpu.state()["counts"]["disconnects"]["decode"] == 1, seconds=3)
    wait_until(lambda: has_ended(attempts))
    assert statuses(attempts) == [TaskStatus.CANCELLED] + [TaskStatus.COMPLETED] * 19
    assert Task.objects.get(pk=attempts[7].task_id).status == TaskStatus.CANCELLED
    wait_until(lambda: frames_of(attempts[7])[-1] == {"end": "cancelled"})
    assert Task.objects.get(pk=attempts[7].task_id).output == text_of(attempts[7])
    wait_until(lambda: rq_job(attempts[7]).get_status() == JobStatus.STOPPED)


def test_a_load_is_aborted_when_its_task_is_cancelled(grant, start_worker, gpu, as_alice):
    start_worker()
    (attempt,) = grant(model=HEAVY)
    wait_until(lambda: in_phase(gpu, "load") == 1)
    tasks.cancel(actor=as_alice, task_id=attempt.task_id)
    wait_until(lambda: gpu.state()["counts"]["disconnects"]["load"] == 1, seconds=3)
    wait_until(lambda: statuses([attempt]) == [TaskStatus.CANCELLED])


def test_a_cancelled_task_is_not_started(grant, start_worker, gpu, as_alice):
    (attempt,) = grant()
    tasks.cancel(actor=as_alice, task_id=attempt.task_id)
    start_worker()
    wait_until(lambda: rq_job(attempt).get_status() == JobStatus.FINISHED)
    assert gpu.state()["counts"]["requests"] == {}
    assert statuses([attempt]) == [TaskStatus.CANCELLED]


def test_a_stop_that_comes_between_claim_and_start_is_obeyed(grant, start_worker, gpu, monkeypatch):
    worker = start_worker().worker
    begin = worker._streams.begin

    def begin_late(handles):
        for handle in handles:
            send_stop_job_command(worker.connection, handle.job.id, serializer=JSONSerializer)
            wait_until(lambda handle=handle: handle.reason)
        begin(handles)

    monkeypatch.setattr(worker._streams, "begin", begin_late)
    (attempt,) = grant()
    wait_until(lambda: has_ended([attempt]))
    assert statuses([attempt]) == [TaskStatus.CANCELLED]
    assert gpu.state()["counts"]["requests"] == {}


def test_a_cancel_whose_stop_command_got_lost_is_found_with_the_lease(
    grant, start_worker, gpu, as_alice, settings, monkeypatch
):
    settings.DROVER_LEASE_RENEW = timedelta(seconds=0.2)
    start_worker()
    (attempt,) = grant(model=SLOW, options={"num_predict": 2000})
    wait_until(lambda: in_phase(gpu, "decode") == 1)
    monkeypatch.setattr(queue, "stop_attempt", lambda attempt_id: None)
    tasks.cancel(actor=as_alice, task_id=attempt.task_id)
    wait_until(lambda: gpu.state()["counts"]["disconnects"]["decode"] == 1)
    wait_until(lambda: statuses([attempt]) == [TaskStatus.CANCELLED])


def test_a_duplicate_delivery_runs_once(grant, start_worker, gpu):
    (attempt,) = grant(enqueue=False)
    queue.run_attempts([job_of(attempt)])
    queue.run_attempts([job_of(attempt)])
    worker = start_worker()
    wait_until(lambda: has_ended([attempt]))
    queue.run_attempts([job_of(attempt)])
    wait_until(lambda: plain_queue().count == 0 and worker.worker._streams.count == 0)
    assert gpu.state()["counts"]["requests"] == {"/api/generate": 1}
    assert statuses([attempt]) == [TaskStatus.COMPLETED]


def test_a_lost_lease_ends_the_stream_and_writes_nothing(grant, start_worker, gpu, settings):
    settings.DROVER_LEASE_RENEW = timedelta(seconds=0.2)
    start_worker()
    (attempt,) = grant(model=SLOW, options={"num_predict": 2000})
    wait_until(lambda: in_phase(gpu, "decode") == 1)
    Attempt.objects.filter(pk=attempt.pk).update(token="somebody else's")
    wait_until(lambda: gpu.state()["counts"]["disconnects"]["decode"] == 1)
    wait_until(lambda: frames_of(attempt)[-1] == {"end": "lost"})
    attempt.refresh_from_db()
    assert (attempt.status, attempt.ended_at) == (AttemptStatus.RUNNING, None)


def test_a_job_that_cannot_be_read_leaves_the_others_alone(grant, start_worker):
    connection = plain_queue().connection
    connection.hset("rq:job:broken", mapping={"data": b"\x80neither json nor pickle", "status": "queued"})
    connection.hset("rq:job:headless", mapping={"status": "queued"})
    connection.set("rq:job:not-even-a-hash", "x")
    connection.rpush("rq:queue:normal", "broken", "headless", "not-even-a-hash", "expired-long-ago")
    attempts = grant(3)
    start_worker()
    wait_until(lambda: has_ended(attempts))
    assert statuses(attempts) == [TaskStatus.COMPLETED] * 3


def test_ordinary_jobs_run_too(start_worker):
    worker = start_worker()
    jobs = [
        plain_queue().enqueue("tests.engine.sample_jobs.add", 2, 3),
        plain_queue().enqueue("tests.engine.sample_jobs.double", 21),
        plain_queue().enqueue("tests.engine.sample_jobs.ask_the_database"),
    ]
    wait_until(lambda: all(job.get_status() == JobStatus.FINISHED for job in jobs))
    assert [job.return_value() for job in jobs] == [5, 42, 42]
    wait_until(lambda: worker.worker._streams.busy_threads == 0)


def test_an_ordinary_job_that_fails_is_recorded_as_failed(start_worker):
    start_worker()
    broken = plain_queue().enqueue("tests.engine.sample_jobs.break_down")
    unknown = plain_queue().enqueue("tests.engine.sample_jobs.there_is_no_such_function")
    wait_until(lambda: all(job.get_status() == JobStatus.FAILED for job in (broken, unknown)))
    assert "this job is broken" in broken.latest_result().exc_string


def test_an_ordinary_coroutine_can_be_stopped(start_worker):
    worker = start_worker()
    job = plain_queue().enqueue("tests.engine.sample_jobs.sleep_long")
    wait_until(lambda: job.get_status() == JobStatus.STARTED)
    send_stop_job_command(job.connection, job.id, serializer=JSONSerializer)
    wait_until(lambda: job.get_status() == JobStatus.STOPPED)
    assert worker.worker._streams.count == 0


def test_asked_to_stop_it_finishes_what_runs_and_leaves_what_waits(grant, start_worker):
    worker = start_worker(capacity=4)
    attempts = grant(4, model=SLOW)
    waiting = grant(3, model=SLOW)
    wait_until(lambda: Attempt.objects.filter(status=AttemptStatus.RUNNING).count() == 4)
    worker.worker.request_stop(signal.SIGTERM)
    wait_until(lambda: WorkerProcess.objects.filter(stopping=True).exists())
    worker.stop()
    assert statuses(attempts) == [TaskStatus.COMPLETED] * 4
    assert statuses(waiting) == [TaskStatus.ASSIGNED] * 3
    assert plain_queue().count == 3
    assert worker.worker.ended_in_order


def test_what_outlasts_the_grace_is_given_back_and_costs_no_try(grant, start_worker, gpu, settings):
    settings.DROVER_WORKER_GRACE = timedelta(seconds=0.2)
    worker = start_worker()
    attempts = grant(5, model=SLOW, options={"num_predict": 2000})
    wait_until(lambda: in_phase(gpu, "decode") == 5)
    worker.stop()
    assert statuses(attempts) == [TaskStatus.PENDING] * 5
    assert set(Attempt.objects.values_list("status", "counts_as_try")) == {(AttemptStatus.LOST, False)}
    assert set(Task.objects.values_list("tries", flat=True)) == {0}
    wait_until(lambda: gpu.state()["counts"]["disconnects"]["decode"] == 5)


def test_a_second_request_to_stop_cuts_the_grace_short(grant, start_worker, gpu, monkeypatch):
    worker = start_worker()
    attempts = grant(1, model=SLOW, options={"num_predict": 2000})
    wait_until(lambda: in_phase(gpu, "decode") == 1)
    worker.worker.request_stop(signal.SIGTERM)
    worker.worker.request_stop(signal.SIGINT)
    assert not worker.worker.hurried
    worker.worker._shutdown_requested_date -= timedelta(seconds=2)
    worker.worker.request_stop(signal.SIGTERM)
    worker.thread.join(20)
    assert not worker.thread.is_alive()
    assert statuses(attempts) == [TaskStatus.PENDING]


def test_rqs_shutdown_command_is_obeyed(start_worker):
    worker = start_worker()
    send_shutdown_command(worker.worker.connection, worker.worker.name)
    worker.thread.join(20)
    assert not worker.thread.is_alive()


@pytest.mark.parametrize("message", ["no json", "[]", '"text"'])
def test_a_command_that_makes_no_sense_does_not_deafen_the_worker(start_worker, message):
    worker = start_worker()
    worker.worker.connection.publish(worker.worker.pubsub_channel_name, message)
    send_shutdown_command(worker.worker.connection, worker.worker.name)
    worker.thread.join(20)
    assert not worker.thread.is_alive()


def test_a_suspended_worker_takes_nothing_until_it_is_resumed(grant, start_worker):
    worker = start_worker()
    worker.worker.connection.set("rq:suspended", 1)
    wait_until(lambda: worker.worker._suspended)
    (attempt,) = grant()
    wait_until(lambda: plain_queue().count == 1)
    worker.worker.connection.delete("rq:suspended")
    wait_until(lambda: has_ended([attempt]))


def test_streams_go_on_while_redis_is_emptied_and_nobody_misses_a_word(grant, start_worker, gpu, redis_server):
    worker = start_worker()
    attempts = grant(5, model=SLOW, options={"num_predict": 50})
    wait_until(lambda: all(frames_of(attempt) for attempt in attempts))
    redis_server.flush()
    wait_until(lambda: has_ended(attempts))
    assert statuses(attempts) == [TaskStatus.COMPLETED] * 5
    for attempt in attempts:
        wait_until(lambda attempt=attempt: frames_of(attempt)[-1] == {"end": "completed"})
        assert frames_of(attempt)[0]["o"] == 0
        assert text_of(attempt) == Task.objects.get(pk=attempt.task_id).output
    connection = django_rq.get_connection("normal")
    wait_until(lambda: [it.name for it in Worker.all(connection)] == [worker.worker.name])


def test_streams_survive_a_restart_of_redis_and_so_does_the_worker(grant, start_worker, gpu, redis_server, as_alice):
    worker = start_worker()
    attempts = grant(5, model=SLOW, options={"num_predict": 50})
    wait_until(lambda: in_phase(gpu, "decode") == 5)
    redis_server.stop()
    wait_until(lambda: gpu.state()["requests"][0]["tokens"] >= 20)
    redis_server.start()
    wait_until(lambda: has_ended(attempts))
    assert statuses(attempts) == [TaskStatus.COMPLETED] * 5
    for attempt in attempts:
        wait_until(lambda attempt=attempt: frames_of(attempt)[-1:] == [{"end": "completed"}])
        assert text_of(attempt) == Task.objects.get(pk=attempt.task_id).output
    later = grant(1, model=SLOW, options={"num_predict": 2000})
    wait_until(lambda: in_phase(gpu, "decode") == 1)
    asked = time.monotonic()
    tasks.cancel(actor=as_alice, task_id=later[0].task_id)
    wait_until(lambda: gpu.state()["counts"]["disconnects"]["decode"] == 1)
    assert time.monotonic() - asked < 4, "the stop command no longer reaches the worker"
    assert worker.worker.healthy


def test_without_redis_it_waits_and_can_still_be_stopped(redis_server, transactional_db):
    redis_server.stop()
    worker = StreamWorker.create(capacity=3)
    thread = threading.Thread(target=worker.work)
    thread.start()
    wait_until(lambda: WorkerProcess.objects.filter(name=worker.name).exists())
    worker.request_stop()
    thread.join(30)
    assert not thread.is_alive()
    assert worker.ended_in_order
    assert not WorkerProcess.objects.exists()


def test_a_worker_that_came_before_redis_works_as_soon_as_it_is_there(redis_server, grant, start_worker):
    redis_server.stop()
    late = threading.Timer(1.0, redis_server.start)
    late.start()
    start_worker()
    late.join()
    attempts = grant(2)
    wait_until(lambda: has_ended(attempts))

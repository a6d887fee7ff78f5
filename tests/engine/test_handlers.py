"""Task types of extensions: run, watched, cancelled, and kept from harming anybody when they go wrong."""

import asyncio
import itertools
import json
from datetime import timedelta

import pytest

from orchestration import events, extensions
from orchestration.engine.handles import StopReason
from orchestration.extensions import isolation
from orchestration.policy.states import AttemptStatus, TaskStatus
from tests.engine.conftest import SLOW, VECTORS, granted, wait_until

pytestmark = pytest.mark.usefixtures("redis_server")

START = """
    import asyncio
    import threading
    import time
    from orchestration.extensions import TaskHandler, Vectors

    class Odd(TaskHandler):
"""


@pytest.fixture
def custom(packages, grant, run):
    """Runs a task whose handler has this body; gives task and attempt."""

    def run_with(body, during=None, **fields):
        lines = "".join(f"            {line}\n" for line in body.strip().splitlines())
        packages.add(f"{START}        async def run(self, context):\n{lines}", task_types={"odd": "Odd"})
        fields = {"type": "odd", "input": "go", "options": {}} | fields
        attempt = granted(grant, **fields)
        return run(attempt, during=during), attempt

    return run_with


def answers(gpu):
    return gpu.state()["counts"]["requests"]


def frames(attempt):
    return [
        json.loads(fields["f"]) for _, fields in events.connection().xrange(events.attempt_stream(attempt.pk), "-", "+")
    ]


@pytest.mark.parametrize(
    ("body", "output"),
    [
        ("return 'done: ' + context.input", "done: go"),
        ("return {'words': 1, 'of': ['go', None]}", '{"words": 1, "of": ["go", null]}'),
        ("return 3.5", "3.5"),
        ("context.write('a'); context.write('lpaca')", "alpaca"),
        ("return context.parameters['by']", "2"),
        (
            "return [context.type, context.model, context.node, context.agent]",
            '["odd", "fast:latest", "gpu-a", "writer"]',
        ),
        ("return await asyncio.to_thread(lambda: 'from a thread\\0')", "from a thread"),
    ],
)
def test_the_result_is_text_or_json_or_what_was_written(custom, gpu, body, output):
    task, attempt = custom(body, parameters={"by": 2})
    assert (task.status, task.output) == (TaskStatus.COMPLETED, output)
    assert attempt.request["handler"] == "odd"
    assert attempt.request["calls"] == 0
    assert answers(gpu) == {}


def test_the_result_may_be_vectors(custom):
    task, _ = custom("return Vectors([[1.0, 2.0], [3.0, 4.0]])")
    assert task.vectors == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return Vectors(5)", "vectors that are not lists"),
        ("return Vectors([5])", "vectors that are not lists"),
        ("context.progress(float('nan'))", "takes 0 to 100, not nan"),
        ("context.progress(float('inf'))", "takes 0 to 100, not inf"),
    ],
)
def test_what_cannot_be_told_or_kept_is_the_extensions_fault(custom, body, words):
    task, _ = custom(body)
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "extension_failed")
    assert words in task.error


def test_a_list_of_texts_comes_as_a_list(custom):
    task, _ = custom("return len(context.input)", input=["a", "b", "c"])
    assert task.output == "3"


def test_it_asks_its_model_and_the_tokens_are_counted(custom, gpu):
    body = """
pieces = [piece async for piece in context.client.generate("Tell me.", options={"num_predict": 10})]
answer = await context.client.chat([{"role": "user", "content": "And?"}], options={"num_predict": 5}).answer()
return {"pieces": len(pieces), "said": "".join(pieces), "then": answer.text, "why": answer.done_reason}
"""
    task, attempt = custom(body)
    told = json.loads(task.output)
    assert task.status == TaskStatus.COMPLETED
    assert told["said"]
    assert told["then"]
    assert told["why"] == "length"
    assert answers(gpu) == {"/api/generate": 1, "/api/chat": 1}
    assert task.output_tokens == attempt.output_tokens == 15
    assert attempt.request["calls"] == 2
    assert attempt.first_token_at
    assert {each["num_ctx"] for each in gpu.state()["requests"]} == {4096}


def test_it_embeds_texts(custom):
    task, _ = custom(
        "return [len(vector) for vector in await context.client.embed(['a', 'b'])]", model=VECTORS, input=""
    )
    lengths = json.loads(task.output)
    assert len(lengths) == 2
    assert lengths[0] > 100


def test_one_call_at_a_time_because_it_has_one_slot(custom, gpu):
    body = """
asked = [context.client.generate(f"Tell me {n}.", options={"num_predict": 3}).answer() for n in range(4)]
return len(await asyncio.gather(*asked))
"""
    task, _ = custom(body)
    assert task.output == "4"
    spans = [(each["started"], each["ended"]) for each in gpu.state()["requests"]]
    assert len(spans) == 4
    assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(sorted(spans)))


def test_progress_and_text_are_seen_while_it_runs(custom):
    seen = []

    async def watch(handle):
        def told():
            raw = events.connection().hgetall(events.PROGRESS)
            seen[:] = [json.loads(value) for value in raw.values()]
            return seen and seen[0]["progress"] == 40

        await asyncio.to_thread(wait_until, told)
        extensions.handler("odd").seen.set()

    body = """
context.write("first ")
context.progress(40, "two of five")
self.seen = threading.Event()
await asyncio.to_thread(self.seen.wait, 20)
context.write("second")
context.progress(400, "done")
"""
    task, attempt = custom(body, during=watch)
    assert (seen[0]["progress"], seen[0]["message"]) == (40, "two of five")
    assert (task.output, task.progress) == ("first second", 100)
    assert "".join(frame.get("t", "") for frame in frames(attempt)) == "first second"


def test_a_million_reports_do_not_reach_the_loop_one_by_one(custom):
    body = """
for number in range(50_000):
    context.progress(number / 500, str(number))
    context.write(".")
"""
    task, _ = custom(body)
    assert len(task.output) == 50_000


def test_cancelled_it_leaves_its_node_and_may_tidy_up(custom, gpu):
    body = """
try:
    context.write("begun")
    async for _ in context.client.generate("Tell me.", options={"num_predict": 5000}):
        pass
finally:
    type(self).tidied = context.cancelled
"""

    async def stop(handle):
        await asyncio.to_thread(wait_until, lambda: gpu.state()["phases"]["decode"])
        handle.stop(StopReason.CANCELLED)

    task, attempt = custom(body, during=stop, model=SLOW)
    assert (task.status, attempt.status, task.output) == (TaskStatus.CANCELLED, AttemptStatus.CANCELLED, "begun")
    assert wait_until(lambda: gpu.state()["counts"]["disconnects"]["decode"]) == 1
    assert isolation.left_behind() == 0


def test_leaving_an_answer_early_closes_its_connection(custom, gpu):
    body = """
async for piece in context.client.generate("Tell me.", options={"num_predict": 5000}):
    break
return "enough"
"""
    task, _ = custom(body, model=SLOW)
    assert task.output == "enough"
    assert wait_until(lambda: gpu.state()["counts"]["disconnects"]["decode"]) == 1


def test_one_that_does_not_await_is_left_behind_and_its_connection_closed(custom, gpu, monkeypatch):
    monkeypatch.setattr(isolation, "GRACE_SECONDS", 0.1)
    body = """
stream = aiter(context.client.generate("Tell me.", options={"num_predict": 5000}))
await anext(stream)
deadline = time.monotonic() + 10
while not context.cancelled and time.monotonic() < deadline:
    pass
time.sleep(1)
context.write("too late")
"""

    async def stop(handle):
        await asyncio.to_thread(wait_until, lambda: gpu.state()["phases"]["decode"])
        handle.stop(StopReason.CANCELLED)

    task, _ = custom(body, during=stop, model=SLOW)
    assert task.status == TaskStatus.CANCELLED
    assert wait_until(lambda: gpu.state()["counts"]["disconnects"]["decode"]) == 1
    assert wait_until(lambda: isolation.left_behind() == 0)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise KeyError('name')", "The task type odd failed: KeyError: 'name'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("return {1, 2}", "a result that JSON cannot say"),
        ("return float('nan')", "a result that JSON cannot say"),
        ("return Vectors([[1.0], [1.0, 2.0]])", "not all of the same length"),
        ("return Vectors([[float('inf')]])", "no finite number"),
        ("context.write(3)", "write() takes a text, not int"),
        ("context.write('x' * 10_000_001)", "wrote more than 10,000,000 characters"),
        (
            "stream = context.client.generate('a', options={'num_predict': 1})\n"
            "await stream.answer()\n"
            "[piece async for piece in stream]",
            "can be read once",
        ),
    ],
)
def test_one_that_goes_wrong_fails_its_task_and_says_how(custom, body, words):
    task, attempt = custom(body)
    assert (task.status, task.error_code, task.tries) == (TaskStatus.FAILED, "extension_failed", 1)
    assert words in task.error
    assert not attempt.node_fault


def test_what_it_wrote_before_it_failed_is_kept(custom):
    task, _ = custom("context.write('so far')\nraise ValueError('oops')")
    assert (task.status, task.output) == (TaskStatus.FAILED, "so far")


def test_options_that_would_reload_the_model_are_refused(custom, gpu):
    task, _ = custom("await context.client.generate('a', options={'num_gpu': 1}).answer()")
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "invalid_input")
    assert answers(gpu) == {}


def test_the_failure_of_its_node_is_told_as_such_and_tried_again(custom, gpu):
    gpu.faults({"kind": "truncate", "after_tokens": 2, "count": 1})
    task, attempt = custom("await context.client.generate('a', options={'num_predict': 9}).answer()")
    assert (task.status, attempt.error_code) == (TaskStatus.PENDING, "stream_truncated")


def test_one_that_shows_no_sign_of_life_is_stopped(custom, settings, monkeypatch):
    settings.DROVER_EXTENSION_SILENCE = timedelta(seconds=0.3)
    task, _ = custom("await asyncio.sleep(60)")
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "extension_failed")
    assert "no sign of life for 0.3 s" in task.error


def test_one_that_waits_for_its_model_lives(custom, settings):
    settings.DROVER_EXTENSION_SILENCE = timedelta(seconds=0.3)
    task, _ = custom(
        "return (await context.client.generate('a', options={'num_predict': 40}).answer()).text", model=SLOW
    )
    assert task.status == TaskStatus.COMPLETED


def test_its_time_limit_holds(custom):
    task, _ = custom("await asyncio.sleep(60)", timeout_seconds=0.5)
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "timeout")


def test_an_answer_that_must_be_json_is_checked(custom):
    wanted = {"type": "object", "required": ["name"]}
    good, _ = custom("return {'name': 'Ulm'}", format=wanted)
    assert good.status == TaskStatus.COMPLETED


def test_an_answer_that_does_not_follow_its_schema_fails(custom):
    task, _ = custom("return {}", format={"type": "object", "required": ["name"]})
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "invalid_answer")
    assert "'name' is a required property" in task.error


def test_one_that_cannot_be_loaded_fails_and_the_others_run(custom, packages, grant, run):
    packages.add("raise RuntimeError('half installed')", package="broken", task_types={"broken": "Broken"})
    broken = run(granted(grant, type="broken"))
    assert (broken.status, broken.error_code) == (TaskStatus.FAILED, "extension_failed")
    assert "half installed" in broken.error
    assert custom("return 1")[0].status == TaskStatus.COMPLETED
    assert run(granted(grant)).status == TaskStatus.COMPLETED

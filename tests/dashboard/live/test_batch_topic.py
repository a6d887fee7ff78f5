"""A batch as its page follows it: counts that sum up at every moment, and only the rows that are shown."""

import pytest

from dashboard.live import topics
from dashboard.live.reads import read
from orchestration import events
from orchestration.models import Task
from orchestration.policy.mapping import Columns
from orchestration.policy.tables import table_of
from orchestration.services import batches, runs, tasks
from orchestration.services.batches import BatchRequest
from orchestration.services.specs import TaskSpec

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("node")]

VIEW = "view=batch"


@pytest.fixture
def send(as_bob, agent):
    """Submits a batch from inside the event loop; the run and its tasks in their order."""

    async def submit(count, **fields):
        rows = table_of([f"row {number}" for number in range(count)])
        wanted = BatchRequest(agent=agent, table=rows, task=TaskSpec(type="generate"), columns=Columns(), **fields)
        run = await read(lambda: batches.submit(actor=as_bob, batch=wanted))
        return run, await read(lambda: list(Task.objects.filter(run=run).order_by("position")))

    return submit


def last(tab, topic):
    """The state a page would have by now."""
    state = {}
    for frame in tab.frames:
        if frame.get("topic") == topic and frame["type"] in ("snap", "delta"):
            part = frame["data"] if frame["type"] == "snap" else frame
            state |= {name: part[name] for name in ("batch", "batches") if name in part}
            lines = part.get("lines", ())
            state["lines"] = {**state.get("lines", {}), **{line["key"]: line for line in lines}}
    return state


async def test_a_batch_begins_with_its_sums_and_the_first_rows(open_tab, send):
    run, _ = await send(60)
    snap = await (await open_tab()).subscribe(f"run:{run.pk}", filter=VIEW)
    assert (snap["batch"]["rows"], snap["batch"]["counts"]["pending"]) == (60, 60)
    assert [line["number"] for line in snap["lines"]] == list(range(1, 51))


async def test_without_the_view_a_run_is_a_run(open_tab, send):
    run, _ = await send(2)
    snap = await (await open_tab()).subscribe(f"run:{run.pk}")
    assert snap["run"]["id"] == run.pk


async def test_rows_and_sums_follow_what_happens(open_tab, send, work_on, as_bob):
    run, made = await send(6)
    topic = f"run:{run.pk}"
    tab = await open_tab()
    await tab.subscribe(topic, filter=VIEW)
    worker = await work_on(made[0])
    await read(worker.complete, "said so")
    await read(tasks.cancel, actor=as_bob, task_id=made[1].pk)
    await tab.until(lambda tab: last(tab, topic)["batch"]["counts"]["cancelled"] == 1)
    await tab.until(lambda tab: last(tab, topic)["lines"][f"{made[0].pk}.0"]["output"] == "said so")
    assert last(tab, topic)["lines"][f"{made[1].pk}.0"]["state"] == "cancelled"
    for state in [*tab.deltas(topic, "batch"), tab.snaps[topic]["batch"]]:
        assert sum(state["counts"].values()) == state["rows"] == 6


async def test_rows_of_other_pages_are_not_sent(open_tab, send, as_bob):
    run, made = await send(60)
    topic = f"run:{run.pk}"
    tab = await open_tab()
    await tab.subscribe(topic, filter=f"{VIEW}&cursor=b49")
    await read(tasks.cancel, actor=as_bob, task_id=made[0].pk)
    await read(tasks.cancel, actor=as_bob, task_id=made[55].pk)
    await tab.until(lambda tab: last(tab, topic)["lines"][f"{made[55].pk}.0"]["state"] == "cancelled")
    assert f"{made[0].pk}.0" not in last(tab, topic)["lines"]


async def test_other_runs_cost_nothing(open_tab, send, as_bob):
    run, _ = await send(2)
    _, others = await send(2)
    topic = f"run:{run.pk}"
    tab = await open_tab()
    await tab.subscribe(topic, filter=VIEW)
    await read(tasks.cancel, actor=as_bob, task_id=others[0].pk)
    await read(runs.pause, actor=as_bob, run_id=run.pk)
    await tab.until(lambda tab: last(tab, topic)["batch"]["status"] == "paused")
    assert tab.deltas(topic, "lines") == [] or all(
        line["task_id"] != others[0].pk for lines in tab.deltas(topic, "lines") for line in lines
    )


async def test_a_cancelled_rest_reaches_every_row_shown(open_tab, send, as_bob):
    run, _ = await send(60)
    topic = f"run:{run.pk}"
    tab = await open_tab()
    await tab.subscribe(topic, filter=VIEW)
    await read(runs.cancel, actor=as_bob, run_id=run.pk)
    await tab.until(lambda tab: {line["state"] for line in last(tab, topic)["lines"].values()} == {"cancelled"})
    await tab.until(lambda tab: last(tab, topic)["batch"]["status"] == "cancelled")


async def test_limits_that_change_are_told(open_tab, send, as_bob):
    run, _ = await send(4)
    topic = f"run:{run.pk}"
    tab = await open_tab()
    await tab.subscribe(topic, filter=VIEW)
    await read(lambda: runs.set_limits(actor=as_bob, run_id=run.pk, max_parallel=1))
    await tab.until(lambda tab: last(tab, topic)["batch"]["max_parallel"] == 1)
    await tab.until(lambda tab: last(tab, topic)["batch"]["held"] == 3)


async def test_speed_is_told_while_no_row_ends(open_tab, send, work_on, monkeypatch):
    monkeypatch.setattr(topics, "REFRESH_SECONDS", 0.05)
    run, made = await send(2)
    topic = f"run:{run.pk}"
    await work_on(made[0])
    tab = await open_tab()
    await tab.subscribe(topic, filter=VIEW)
    told = {"attempt_id": 1, "phase": "generating", "progress": 0, "message": "", "output_tokens": 3}
    told |= {"tokens_per_second": 41.5, "phase_since": ""}
    await read(lambda: events.connection().hset(events.PROGRESS, str(made[0].pk), events.json.dumps(told)))
    await read(lambda: events.publish([("load", {})]))
    await tab.until(lambda tab: last(tab, topic)["batch"]["tokens_per_second"] == 41.5)


async def test_the_list_of_batches_follows(open_tab, send, as_bob):
    run, _ = await send(3)
    tab = await open_tab()
    snap = await tab.subscribe("batches")
    assert [row["id"] for row in snap["batches"]] == [run.pk]
    await read(runs.cancel, actor=as_bob, run_id=run.pk)
    await tab.until(lambda tab: last(tab, "batches")["batches"][0]["status"] == "cancelled")


async def test_a_batch_that_does_not_exist_is_refused(open_tab):
    tab = await open_tab()
    await tab.say(type="sub", topic="run:999999", filter=VIEW)
    await tab.until(lambda tab: tab.errors == ["not_found"])

"""What each topic begins with and what changes it, seen from a tab."""

import random

import pytest

from dashboard.live.reads import read
from orchestration import events, queries
from orchestration.models import Lane, Run, Task
from orchestration.payloads import task_row
from orchestration.services import bulk, nodes, pauses, tasks
from orchestration.services.announce import ROWS_AT_MOST

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def submit_now(submit):
    """Submits from inside the event loop; the tasks in their order."""

    async def submit_texts(*texts, **fields):
        run = await read(submit, *texts, **fields)
        return await read(lambda: list(run.tasks.order_by("position")))

    return submit_texts


def row_ids(tab, topic="tasks"):
    return [row["id"] for rows in tab.deltas(topic, "rows") for row in rows]


async def test_the_list_begins_with_its_page_and_its_counts(open_tab, submit_now):
    first, second = await submit_now("one", "two")
    snap = await (await open_tab()).subscribe("tasks")
    assert [row["id"] for row in snap["rows"]] == [second.pk, first.pk]
    assert snap["counts"]["pending"] == 2
    assert snap["more"] is False


async def test_a_new_task_shows_in_every_open_list(open_tab, submit_now):
    tabs = [await open_tab(), await open_tab()]
    for tab in tabs:
        await tab.subscribe("tasks")
    (task,) = await submit_now("hello")
    for tab in tabs:
        await tab.until(lambda tab: task.pk in row_ids(tab))
        await tab.until(lambda tab: [c for c in tab.deltas("tasks", "counts") if c["pending"] == 1])


async def test_many_tasks_that_change_at_once_show_like_any_others(open_tab, submit_now):
    tab = await open_tab()
    await tab.subscribe("tasks")
    made = await submit_now(*map(str, range(ROWS_AT_MOST + 5)))
    await tab.until(lambda tab: {task.pk for task in made} <= set(row_ids(tab)))


async def test_a_filtered_list_gets_what_matches_and_is_told_what_no_longer_does(open_tab, submit_now, as_bob):
    (task, other) = await submit_now("hello", "unseen")
    tab = await open_tab()
    snap = await tab.subscribe("tasks", filter="status=pending")
    assert len(snap["rows"]) == 2
    await read(tasks.cancel, actor=as_bob, task_id=task.pk)
    await tab.until(lambda tab: [task.pk] in tab.deltas("tasks", "gone"))
    assert other.pk not in [pk for gone in tab.deltas("tasks", "gone") for pk in gone]


async def test_a_list_of_something_else_stays_quiet(open_tab, submit_now):
    tab = await open_tab()
    await tab.subscribe("tasks", filter="status=failed")
    await tab.subscribe("tasks#all")
    (task,) = await submit_now("hello")
    await tab.until(lambda tab: task.pk in row_ids(tab, "tasks#all"))
    assert row_ids(tab) == []


async def test_a_filter_nobody_knows_is_refused_in_words(open_tab):
    tab = await open_tab()
    await tab.say(type="sub", topic="tasks", filter="colour=red")
    await tab.until(lambda tab: tab.errors == ["invalid_input"])


async def test_an_older_version_of_a_row_is_not_shown_again(open_tab, submit_now, as_bob):
    (task,) = await submit_now("hello")
    old = await read(lambda: task_row(Task.objects.get(pk=task.pk)))
    await read(tasks.cancel, actor=as_bob, task_id=task.pk)
    tab = await open_tab()
    await tab.subscribe("tasks")
    events.publish([("task", old), ("task", {**old, "id": task.pk + 1})])
    await tab.until(lambda tab: task.pk + 1 in row_ids(tab))
    assert task.pk not in row_ids(tab)


async def test_many_tasks_at_once_bring_the_first_page_and_their_number(open_tab, submit_now):
    tab = await open_tab()
    await tab.subscribe("tasks", filter="limit=20")
    many = await submit_now(*(f"text {n}" for n in range(60)))
    await tab.until(lambda tab: [added for added in tab.deltas("tasks", "added") if added["count"] == 60])
    await tab.until(lambda tab: many[-1].pk in row_ids(tab))
    assert set(row_ids(tab)) == {task.pk for task in many[-20:]}


async def test_a_row_below_the_page_is_left_to_its_own_page(open_tab, submit_now, as_bob):
    older, newer = await submit_now("older", "newer")
    tab = await open_tab()
    await tab.subscribe("tasks", filter="limit=1")
    await read(tasks.cancel, actor=as_bob, task_id=older.pk)
    await read(tasks.cancel, actor=as_bob, task_id=newer.pk)
    await tab.until(lambda tab: newer.pk in row_ids(tab))
    assert older.pk not in row_ids(tab)


async def test_a_deleted_task_is_gone(open_tab, submit_now, as_bob, as_alice):
    (task,) = await submit_now("hello")
    await read(tasks.cancel, actor=as_bob, task_id=task.pk)
    tab = await open_tab()
    await tab.subscribe("tasks")
    await read(tasks.delete_ended, actor=as_alice, task_ids=[task.pk])
    await tab.until(lambda tab: [task.pk] in tab.deltas("tasks", "gone"))


async def test_progress_is_shown_of_rows_that_run(open_tab, submit_now, work_on):
    running, waiting = await submit_now("one", "two")
    worker = await work_on(running)
    tab = await open_tab()
    await tab.subscribe("tasks")
    told = [[pk, worker.attempt_id, "prefill", 0, None, 0, "", ""] for pk in (running.pk, waiting.pk)]
    events.publish([("progress", {"worker": "w", "rows": told})])
    assert await tab.until(lambda tab: tab.deltas("tasks", "progress")) == [told[:1]]


@pytest.mark.parametrize("event", ["load", "lanes"])
async def test_a_waiting_row_is_told_why_when_the_reason_changes(open_tab, submit_now, event):
    (task,) = await submit_now("hello")
    tab = await open_tab()
    await tab.subscribe("tasks")
    changed = {"waiting_code": "no_worker", "waiting_reason": "No worker is running"}
    await read(lambda: Lane.objects.filter(pk=task.lane_id).update(**changed))
    events.publish([("lanes", {str(task.lane_id + 1): "of another lane"})])
    events.publish([(event, {str(task.lane_id): "No worker is running"})])
    reasons = await tab.until(lambda tab: tab.deltas("tasks", "reasons"))
    (told,) = (reason[str(task.pk)] for reason in reasons)
    assert (told["waiting_reason"], told["waiting"]["code"]) == ("No worker is running", "no_worker")


async def test_with_since_only_what_was_missed_is_sent(open_tab, submit_now, as_bob):
    missed, _untouched = await submit_now("one", "two")
    tab = await open_tab()
    await tab.subscribe("tasks")
    await tab.say(type="unsub", topic="tasks")
    await read(tasks.cancel, actor=as_bob, task_id=missed.pk)
    tab.frames.clear()
    await tab.say(type="sub", topic="tasks", since=tab.seqs["tasks"])
    await tab.until(lambda tab: row_ids(tab))
    assert row_ids(tab) == [missed.pk]
    assert not [frame for frame in tab.frames if frame["type"] == "snap"]


async def test_with_a_since_that_is_gone_everything_is_sent(open_tab, submit_now):
    await submit_now("one")
    tab = await open_tab()
    await tab.say(type="sub", topic="tasks", since="1-1")
    assert len((await tab.until(lambda tab: tab.snaps.get("tasks")))["rows"]) == 1


async def test_after_a_flush_everybody_starts_over(open_tab, submit_now, redis_server):
    await submit_now("one")
    tab = await open_tab()
    await tab.subscribe("tasks")
    redis_server.flush()
    tab.snaps.clear()
    assert len((await tab.until(lambda tab: tab.snaps.get("tasks")))["rows"]) == 1
    (task,) = await submit_now("two")
    await tab.until(lambda tab: task.pk in row_ids(tab))


async def test_the_load_is_handed_on_as_it_comes(open_tab):
    tab = await open_tab()
    snap = await tab.subscribe("load")
    assert snap["totals"]["running"] == 0
    events.publish([("load", {"at": "later"})])
    assert await tab.until(lambda tab: tab.deltas("load", "data")) == [{"at": "later"}]


async def test_the_overview_follows_tasks_and_names_what_needs_attention(open_tab, submit_now, work_on):
    tab = await open_tab()
    snap = await tab.subscribe("overview")
    assert "worker" in [item["kind"] for item in snap["attention"]]
    (task,) = await submit_now("hello")
    await work_on(task)
    running = await tab.until(lambda tab: [r for r in tab.deltas("overview", "running") if r])
    assert running[-1][0]["id"] == task.pk
    assert tab.deltas("overview", "activity")


async def test_a_node_that_changes_or_goes_is_sent_with_all_the_others(open_tab, node, as_alice):
    tab = await open_tab()
    assert [n["name"] for n in (await tab.subscribe("nodes"))["nodes"]] == ["gpu-a"]
    await read(nodes.set_draining, actor=as_alice, node_id=node.pk, draining=True)
    await tab.until(lambda tab: [n for n in tab.deltas("nodes", "nodes") if n[0]["draining"]])
    await read(nodes.delete, actor=as_alice, node_id=node.pk)
    await tab.until(lambda tab: [] in tab.deltas("nodes", "nodes"))


async def test_a_pause_is_told_to_the_overview_and_to_the_nodes(open_tab, node, as_alice):
    tab = await open_tab()
    assert (await tab.subscribe("overview"))["pauses"] == (await tab.subscribe("nodes"))["pauses"] == []
    await read(pauses.pause, actor=as_alice, kind="model", key="llama3.2")
    for topic in ("overview", "nodes"):
        (rows,) = await tab.until(lambda tab, topic=topic: tab.deltas(topic, "pauses"))
        assert [row["name"] for row in rows] == ["llama3.2:latest"]
    await read(pauses.resume, actor=as_alice, kind="model", key="llama3.2")
    await tab.until(lambda tab: [] in tab.deltas("nodes", "pauses"))


async def test_many_changed_at_once_are_shown_by_a_snapshot(open_tab, submit_now, as_bob):
    made = await submit_now(*[f"text {number}" for number in range(60)])
    tab = await open_tab()
    topic = f"task:{made[0].pk}"
    for name in ("tasks", topic, f"run:{made[0].run_id}"):
        await tab.subscribe(name)
    wanted = queries.TaskFilter.from_string("agent=writer")
    await read(bulk.set_priority_matching, actor=as_bob, task_filter=wanted, priority=0)
    for name in ("tasks", f"run:{made[0].run_id}"):
        await tab.until(lambda tab, name=name: {row["priority"] for row in tab.snaps[name]["rows"]} == {0})
    await tab.until(lambda tab: tab.snaps[topic]["task"]["priority"] == 0)


async def test_a_run_shows_its_own_tasks_only(open_tab, submit_now, as_bob):
    mine, also_mine = await submit_now("one", "two")
    (other,) = await submit_now("other")
    tab = await open_tab()
    topic = f"run:{mine.run_id}"
    snap = await tab.subscribe(topic)
    assert {row["id"] for row in snap["rows"]} == {mine.pk, also_mine.pk}
    assert snap["run"]["counts"]["pending"] == 2
    await read(tasks.cancel, actor=as_bob, task_id=other.pk)
    await read(tasks.cancel, actor=as_bob, task_id=mine.pk)
    await tab.until(lambda tab: [run for run in tab.deltas(topic, "run") if run["counts"]["cancelled"] == 1])
    assert row_ids(tab, topic) == [mine.pk]


async def test_what_does_not_exist_is_an_error_frame(open_tab):
    tab = await open_tab()
    for topic in ("task:99", "run:99", "task:x", "tasks:1", "task", "secrets", ""):
        await tab.say(type="sub", topic=topic)
    await tab.until(lambda tab: len(tab.errors) == 7)
    assert sorted(set(tab.errors)) == ["invalid_input", "not_found"]


async def test_notices_reach_their_user_and_everybody(open_tab, as_bob, as_carol):
    of_bob, of_carol = await open_tab(as_bob), await open_tab(as_carol)
    for tab in (of_bob, of_carol):
        await tab.subscribe("notices")
    events.publish([("notice", {"user_id": as_bob.user_id, "level": "info", "text": "yours"})])
    events.publish([("notice", {"user_id": None, "level": "info", "text": "all"})])
    await of_carol.until(lambda tab: tab.deltas("notices", "notices"))
    await of_bob.until(lambda tab: sum(map(len, tab.deltas("notices", "notices"))) == 2)
    assert of_carol.deltas("notices", "notices") == [[{"level": "info", "text": "all"}]]


async def test_a_hidden_tab_is_told_nothing_and_shown_the_present_once(open_tab, submit_now):
    tab = await open_tab()
    await tab.subscribe("tasks")
    await tab.say(type="pause")
    tab.frames.clear()
    await submit_now("one")
    (last,) = await submit_now("two")
    tab.snaps.clear()
    await tab.say(type="resume")
    snap = await tab.until(lambda tab: tab.snaps.get("tasks"))
    assert snap["rows"][0]["id"] == last.pk
    assert next(frame["type"] for frame in tab.frames if frame["type"] != "beat") == "snap"


@pytest.mark.parametrize("seed", range(4))
async def test_a_list_kept_by_deltas_equals_a_fresh_one(open_tab, submit_now, as_bob, seed):
    """Whatever happens around the snapshot: state plus events is the state."""
    dice = random.Random(seed)
    seen = [*await submit_now(*"abcdef")]
    tab = await open_tab()
    await tab.say(type="sub", topic="tasks", filter="status=pending")
    for step in range(12):
        if dice.random() < 0.5:
            seen += await submit_now(f"text {step}")
        else:
            task = seen.pop(dice.randrange(len(seen)))
            await read(tasks.cancel, actor=as_bob, task_id=task.pk)
    expected = {task.pk for task in seen}

    def shown(tab):
        ids = None
        for frame in tab.frames:
            if frame["type"] == "snap":
                ids = {row["id"] for row in frame["data"]["rows"]}
            elif frame["type"] == "delta":
                ids = (ids | {row["id"] for row in frame.get("rows", ())}) - set(frame.get("gone", ()))
        return ids

    await tab.until(lambda tab: shown(tab) == expected)
    assert await read(Run.objects.count) >= 1

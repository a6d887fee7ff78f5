"""How far a batch is, and its rows beside their answers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Run, Task
from orchestration.policy.mapping import Columns
from orchestration.policy.states import TaskStatus
from orchestration.policy.tables import table_of
from orchestration.queries.batches import batch_detail, batch_rows, batch_rows_by_task, batches, get_batch
from orchestration.services import batches as service
from orchestration.services import runs
from orchestration.services.batches import BatchRequest
from orchestration.services.specs import TaskSpec

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server", "node")]


@pytest.fixture
def send(as_bob, agent):
    def submit(count=6, **fields):
        table = table_of([{"text": f"row {number}", "ref": f"r{number}"} for number in range(count)])
        columns = Columns(prompt="text", client_ref="ref")
        wanted = BatchRequest(agent=agent, table=table, task=TaskSpec(type="generate"), columns=columns, **fields)
        return service.submit(actor=as_bob, batch=wanted)

    return submit


@pytest.fixture
def send_texts(as_bob, make_node, make_agent, settings):
    """To be embedded, four in a call."""
    settings.DROVER_EMBED_ROWS = 4
    make_node("gpu-e", models=("nomic-embed-text:latest",))
    agent = make_agent("embedder", models=["nomic-embed-text:latest"])

    def submit(count=10):
        table = table_of([f"row {number}" for number in range(count)])
        wanted = BatchRequest(agent=agent, table=table, task=TaskSpec(type="embed"), columns=Columns())
        return service.submit(actor=as_bob, batch=wanted)

    return submit


def bring(run, position, status, **fields):
    task = Task.objects.get(run=run, position=position)
    way = {"running": ("assigned", "running"), "failed": ("failed",), "cancelled": ("cancelled",)}
    for step in way.get(status, ("assigned", "running", "completed")):
        last = step == way.get(status, ("completed",))[-1]
        Task.objects.transition(task.pk, TaskStatus(step), **(fields if last else {}))
    return task.pk


def detail(run):
    return batch_detail(run.pk)


def test_rows_are_counted_by_state_and_sum_up(send):
    run = send(6)
    now = timezone.now()
    bring(run, 0, "completed", started_at=now, ended_at=now, prompt_tokens=3, output_tokens=5)
    bring(run, 1, "failed", ended_at=now, error_code="refused", error="no")
    bring(run, 2, "cancelled", ended_at=now)
    bring(run, 3, "running", started_at=now)
    found = detail(run)
    assert found["counts"] == {"pending": 2, "running": 1, "completed": 1, "failed": 1, "cancelled": 1}
    assert found["rows"] == sum(found["counts"].values()) == 6
    assert (found["prompt_tokens"], found["output_tokens"]) == (3, 5)
    assert found["ended_at"] is None


def test_rows_that_share_a_call_are_counted_one_by_one(send_texts):
    run = send_texts(10)
    bring(run, 0, "completed", vectors=[[0.5, 1.0]] * 4)
    bring(run, 2, "failed", error_code="refused", error="no")
    found = detail(run)
    assert found["counts"] == {"pending": 4, "running": 0, "completed": 4, "failed": 2, "cancelled": 0}
    assert (found["rows"], found["calls"]) == (10, 3)
    assert found["failures"] == [{"code": "refused", "rows": 2, "example": "no"}]
    (listed,), _ = batches()
    assert (listed["counts"], listed["calls"]) == (found["counts"], 3)


def test_what_nobody_knows_yet_is_null(send):
    found = detail(send(3))
    names = ("eta", "prompt_tokens", "output_tokens", "tokens_per_second", "started_at", "ended_at")
    assert {name: found[name] for name in names} == dict.fromkeys(names)


def test_the_end_is_expected_once_rows_have_ended(send):
    run = send(6)
    now = timezone.now()
    for position in range(2):
        bring(run, position, "completed", started_at=now - timedelta(seconds=20), ended_at=now)
    eta = detail(run)["eta"]
    assert eta is not None
    assert eta["seconds"] == pytest.approx(40, rel=0.1)
    assert eta["earliest_seconds"] < eta["seconds"] < eta["latest_seconds"]


def test_a_paused_batch_has_no_expected_end_and_says_who_paused_it(send, as_bob):
    run = send(6)
    now = timezone.now()
    for position in range(2):
        bring(run, position, "completed", started_at=now - timedelta(seconds=20), ended_at=now)
    runs.pause(actor=as_bob, run_id=run.pk)
    found = detail(run)
    assert (found["status"], found["eta"], found["paused_by"]) == ("paused", None, "bob")


def test_rows_held_by_the_limit_of_the_batch_are_told_apart(send):
    assert detail(send(6, max_parallel=2))["held"] == 4


def test_failures_are_grouped_most_first(send):
    run = send(4)
    for position, code in enumerate(["timeout", "refused", "refused"]):
        bring(run, position, "failed", error_code=code, error=f"{code} happened")
    assert detail(run)["failures"] == [
        {"code": "refused", "rows": 2, "example": "refused happened"},
        {"code": "timeout", "rows": 1, "example": "timeout happened"},
    ]


def test_the_counts_of_a_batch_take_a_fixed_number_of_queries(send, django_assert_num_queries):
    run = send(40)
    with django_assert_num_queries(2):
        detail(run)


def test_rows_come_in_their_order_page_by_page_and_back(send):
    run = send(7)
    first = batch_rows(run, limit=3)
    assert [(row["number"], row["input"], row["client_ref"]) for row in first.rows] == [
        (1, "row 0", "r0"),
        (2, "row 1", "r1"),
        (3, "row 2", "r2"),
    ]
    assert first.prev_cursor is None
    second = batch_rows(run, limit=3, cursor=first.next_cursor)
    third = batch_rows(run, limit=3, cursor=second.next_cursor)
    assert ([row["number"] for row in third.rows], third.next_cursor) == ([7], None)
    assert batch_rows(run, limit=3, cursor=third.prev_cursor).rows == second.rows
    assert batch_rows(run, limit=3, cursor=second.prev_cursor).rows == first.rows


def test_a_row_shows_how_its_answer_begins(send):
    run = send(2)
    bring(run, 0, "completed", output="x" * 1000, duration_seconds=2.5, output_tokens=7)
    row, waiting = batch_rows(run).rows
    assert (row["output"], row["seconds"], row["output_tokens"]) == ("x" * 400 + "…", 2.5, 7)
    assert (waiting["state"], waiting["output"]) == ("waiting", "")


def test_rows_can_be_narrowed_to_a_state_or_a_kind_of_failure(send):
    run = send(4)
    bring(run, 1, "failed", error_code="timeout", error="slow")
    bring(run, 2, "failed", error_code="refused", error="no")
    assert [row["number"] for row in batch_rows(run, status="failed").rows] == [2, 3]
    assert [row["number"] for row in batch_rows(run, error_code="refused").rows] == [3]
    with pytest.raises(InvalidInput, match="There is no status"):
        batch_rows(run, status="odd")


def test_texts_of_one_call_are_rows_of_their_own(send_texts):
    run = send_texts(10)
    pk = bring(run, 1, "completed", vectors=[[0.5, 1.0]] * 4)
    page = batch_rows(run, limit=8)
    assert [row["number"] for row in page.rows] == list(range(1, 9))
    assert [row["key"] for row in page.rows[4:6]] == [f"{pk}.0", f"{pk}.1"]
    assert page.rows[4]["output"] == "2 dimensions: 0.5000, 1.0000, …"
    rest = batch_rows(run, limit=8, cursor=page.next_cursor)
    assert [row["number"] for row in rest.rows] == [9, 10]


def test_rows_keep_the_numbers_of_their_file(send):
    first = send(5)
    for position in (1, 2):
        bring(first, position, "completed")
    run = send(5, skip_done=True)
    assert [row["number"] for row in batch_rows(run).rows] == [1, 4, 5]
    assert detail(run)["skipped"] == 2


def test_rows_of_other_runs_are_not_told(send):
    run, other = send(2), send(2)
    ids = list(Task.objects.order_by("pk").values_list("pk", flat=True))
    assert len(batch_rows_by_task(run, ids)) == 2
    assert other.pk != run.pk


def test_a_forged_cursor_is_refused(send):
    with pytest.raises(InvalidInput):
        batch_rows(send(1), cursor="zz")


def test_only_batches_are_batches(submit):
    run = submit("one")
    with pytest.raises(NotFound):
        get_batch(run.pk)


def test_batches_are_listed_newest_first_page_by_page(send, submit):
    submit("not a batch")
    ids = [send(2).pk for _ in range(3)]
    first, cursor = batches(limit=2)
    second, end = batches(limit=2, cursor=cursor)
    assert [row["id"] for row in [*first, *second]] == ids[::-1]
    assert end is None


def test_the_list_takes_no_more_queries_for_more_batches(send, django_assert_max_num_queries):
    for _ in range(3):
        run = send(2)
        for position in range(2):
            bring(run, position, "completed")
    with django_assert_max_num_queries(3):
        batches()


def test_tasks_sent_without_a_table_are_a_batch_too(submit):
    run = submit("one", "two")
    assert Run.objects.get(pk=run.pk).kind == "batch"
    assert [row["input"] for row in batch_rows(get_batch(run.pk)).rows] == ["one", "two"]

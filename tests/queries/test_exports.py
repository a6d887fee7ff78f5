"""What a run has brought so far, page by page."""

import pytest

from orchestration.errors import Unprocessable
from orchestration.models import Task
from orchestration.policy.mapping import Columns
from orchestration.policy.states import TaskStatus
from orchestration.policy.tables import table_of
from orchestration.queries import exports
from orchestration.queries.exports import export_page, vectors_shape
from orchestration.services import batches
from orchestration.services.batches import BatchRequest
from orchestration.services.specs import TaskSpec

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server", "node")]


def all_rows(run):
    rows, place = export_page(run)
    while place:
        more, place = export_page(run, place)
        rows += more
    return rows


def complete(run, position, **fields):
    task = Task.objects.get(run=run, position=position)
    for status in (TaskStatus.ASSIGNED, TaskStatus.RUNNING):
        Task.objects.transition(task.pk, status)
    Task.objects.transition(task.pk, TaskStatus.COMPLETED, **fields)


@pytest.fixture
def embed(as_bob, make_node, make_agent, settings):
    settings.DROVER_EMBED_ROWS = 2
    make_node("gpu-e", models=("nomic-embed-text:latest",))
    agent = make_agent("embedder", models=["nomic-embed-text:latest"])

    def submit(count, columns=Columns(prompt="text"), **fields):  # noqa: B008 (frozen)
        table = table_of([{"text": f"row {number}", "key": number} for number in range(count)])
        wanted = BatchRequest(agent=agent, table=table, task=TaskSpec(type="embed"), columns=columns, **fields)
        return batches.submit(actor=as_bob, batch=wanted)

    return submit


def test_every_row_comes_once_in_its_order(submit, monkeypatch):
    monkeypatch.setattr(exports, "TASKS_AT_ONCE", 3)
    run = submit(*[f"text {number}" for number in range(7)])
    complete(run, 2, output="said", model_used="llama3.2:latest", output_tokens=4, decode_seconds=2.0)
    rows = all_rows(run)
    assert [row["input"] for row in rows] == [f"text {number}" for number in range(7)]
    assert [row["row"] for row in rows] == list(range(1, 8))
    assert (rows[2]["status"], rows[2]["output"], rows[2]["tokens_per_second"]) == ("completed", "said", 2.0)
    assert rows[3]["status"] == "pending"


def test_steps_of_a_sequence_are_exported_like_anything_else(submit):
    run = submit("one", "two {{previous}}", sequential=True)
    assert [row["input"] for row in all_rows(run)] == ["one", "two {{previous}}"]


def test_what_a_person_said_last_is_the_input_of_a_chat(submit):
    messages = [{"role": "user", "content": "first"}, {"role": "assistant", "content": "a"}]
    messages += [{"role": "user", "content": "last"}]
    run = submit("", type="chat", messages=messages)
    assert all_rows(run)[0]["input"] == "last"


def test_texts_of_one_call_are_rows_with_their_own_vectors_and_notes(embed):
    run = embed(3, columns=Columns(prompt="text", client_ref="key", metadata=["key"]))
    complete(run, 0, vectors=[[1.0, 2.0], [3.0, 4.0]])
    rows = all_rows(run)
    assert [(row["row"], row["input"], row["client_ref"], row["embedding"]) for row in rows] == [
        (1, "row 0", "0", [1.0, 2.0]),
        (2, "row 1", "1", [3.0, 4.0]),
        (3, "row 2", "2", None),
    ]
    assert rows[1]["metadata"] == {"key": 1}


def test_vectors_make_an_array_with_a_line_for_each_text(embed):
    run = embed(5)
    with pytest.raises(Unprocessable, match="no vectors yet"):
        vectors_shape(run)
    complete(run, 1, vectors=[[1.0, 2.0, 3.0]] * 2, model_used="nomic-embed-text:latest")
    assert vectors_shape(run) == {"rows": 5, "dimensions": 3}


def test_vectors_of_two_models_make_none(embed):
    run = embed(4)
    complete(run, 0, vectors=[[1.0]] * 2, model_used="a:latest")
    complete(run, 1, vectors=[[1.0, 2.0]] * 2, model_used="b:latest")
    with pytest.raises(Unprocessable, match="of a:latest, b:latest"):
        vectors_shape(run)


def test_deleted_calls_leave_no_lines_behind(embed):
    run = embed(5)
    complete(run, 0, vectors=[[1.0]] * 2, model_used="a:latest")
    Task.objects.filter(run=run, position=2).delete()
    assert vectors_shape(run)["rows"] == 4
    assert len(all_rows(run)) == 4

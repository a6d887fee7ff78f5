"""Rows become tasks of one run, after a look that writes nothing."""

import pytest

from orchestration.errors import Conflict, InvalidInput, ModelUnavailable, NotAllowed, PayloadTooLarge
from orchestration.models import AuditEntry, Run, Task
from orchestration.policy.mapping import Columns
from orchestration.policy.states import Gate, TaskStatus
from orchestration.policy.tables import read_table, table_of
from orchestration.services import batches, presets
from orchestration.services.batches import BatchRequest
from orchestration.services.specs import TaskSpec

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server", "node")]

CSV = "id,text\na,One\nb,Two\nc,Three\nd,Four\n"
NO_COLUMNS = Columns()


@pytest.fixture
def batch(agent):
    def make(text=CSV, *, table=None, columns=NO_COLUMNS, type="generate", task=None, **fields):
        return BatchRequest(
            agent=agent,
            table=table or read_table(text),
            task=TaskSpec(type=type, **(task or {})),
            columns=columns,
            **fields,
        )

    return make


def complete(run, *positions):
    rows = Task.objects.filter(run=run)
    rows = rows.filter(position__in=positions) if positions else rows
    for task in rows:
        for status in (TaskStatus.ASSIGNED, TaskStatus.RUNNING, TaskStatus.COMPLETED):
            Task.objects.transition(task.pk, status)


def tasks(run):
    return list(run.tasks.order_by("position"))


# A look


def test_a_preview_shows_three_rows_as_they_would_be_sent_and_writes_nothing(as_bob, batch):
    wanted = batch(template="Translate {{text}}.", system="Row {{id}}.", columns=Columns(client_ref="id"))
    found = batches.preview(actor=as_bob, batch=wanted)
    assert [(row["prompt"], row["system"], row["client_ref"]) for row in found["samples"]] == [
        ("Translate One.", "Row a.", "a"),
        ("Translate Two.", "Row b.", "b"),
        ("Translate Three.", "Row c.", "c"),
    ]
    assert (found["rows"], found["calls"], found["format"]) == (4, 4, "csv")
    assert found["columns"][1] == {"name": "text", "placeholder": "text"}
    assert (Run.objects.count(), Task.objects.count(), AuditEntry.objects.count()) == (0, 0, 0)


def test_a_viewer_may_not_even_look(as_carol, batch):
    with pytest.raises(NotAllowed):
        batches.preview(actor=as_carol, batch=batch(template="{{text}}"))


def test_a_row_that_cannot_be_sent_is_told_with_its_line(as_bob, batch, settings):
    settings.DROVER_MAX_PROMPT_CHARS = 3
    with pytest.raises(PayloadTooLarge) as refused:
        batches.preview(actor=as_bob, batch=batch(template="{{text}}"))
    assert refused.value.message.startswith("Line 4: The prompt has 5 characters")


def test_more_rows_than_one_submission_may_have_are_refused(as_bob, batch, settings):
    settings.DROVER_MAX_TASKS_PER_REQUEST = 3
    with pytest.raises(InvalidInput, match="There are 4 rows, 3 may be"):
        batches.submit(actor=as_bob, batch=batch(template="{{text}}"))


@pytest.mark.parametrize(
    ("text", "template", "words"),
    [(CSV, "Tell a joke.", "quotes no column"), ("text\nx\nx\ny\n", "{{text}}", "1 row asks just what")],
)
def test_what_is_probably_a_mistake_is_said(as_bob, batch, text, template, words):
    table = read_table(text, file_name="x.csv")
    (warning,) = batches.preview(actor=as_bob, batch=batch(table=table, template=template))["warnings"]
    assert words in warning


# Submitted


def test_each_row_becomes_a_task_in_its_place(as_bob, batch):
    wanted = batch(
        template="Say {{text}}",
        columns=Columns(client_ref="id", metadata=["id", "text"]),
        task={"parameters": {"temperature": 0}, "priority": 2, "tags": ["x"]},
        title="Words",
        max_parallel=2,
        stop_failed_percent=10,
    )
    run = batches.submit(actor=as_bob, batch=wanted)
    assert (run.kind, run.title, run.max_parallel, run.stop_failed_percent) == ("batch", "Words", 2, 10)
    assert run.spec["rows"] == 4
    assert [(task.input, task.client_ref, task.priority) for task in tasks(run)][:2] == [
        ("Say One", "a", 2),
        ("Say Two", "b", 2),
    ]
    assert tasks(run)[0].metadata == {"id": "a", "text": "One"}
    assert [task.gate for task in tasks(run)] == [Gate.PASSED, Gate.PASSED, Gate.HELD, Gate.HELD]
    assert len({task.content_hash for task in tasks(run)}) == 4


def test_a_chat_row_is_what_a_person_says(as_bob, batch):
    run = batches.submit(actor=as_bob, batch=batch(type="chat", template="{{text}}?", system="Row {{id}}"))
    assert tasks(run)[0].messages == [{"role": "user", "content": "One?"}]
    assert tasks(run)[0].system_prompt == "Row a"


def test_a_model_of_its_own_goes_with_the_row(as_bob, batch):
    table = table_of([{"q": "a", "m": "llama3.2"}, {"q": "b", "m": ""}])
    run = batches.submit(actor=as_bob, batch=batch(table=table, columns=Columns(prompt="q", model="m")))
    assert [task.model_name for task in tasks(run)] == ["llama3.2:latest", ""]


def test_a_model_that_no_node_has_refuses_all_of_it(as_bob, batch):
    with pytest.raises(ModelUnavailable):
        batches.submit(actor=as_bob, batch=batch(template="{{text}}", task={"model_name": "nope"}))
    assert Task.objects.count() == 0


@pytest.mark.parametrize("limits", [{"max_parallel": 0}, {"stop_failed_percent": 101}])
def test_limits_that_make_no_sense_are_refused(as_bob, batch, limits):
    with pytest.raises(InvalidInput):
        batches.submit(actor=as_bob, batch=batch(template="{{text}}", **limits))


def test_the_same_key_makes_one_batch(as_bob, batch):
    first, second = (
        batches.submit(actor=as_bob, batch=batch(template="{{text}}"), idempotency_key="k", request_hash="h")
        for _ in range(2)
    )
    assert first.pk == second.pk


# Rows that are done


def test_rows_that_completed_before_are_offered_to_be_skipped(as_bob, as_dave, batch):
    first = batches.submit(actor=as_bob, batch=batch(template="{{text}}"))
    complete(first, 1, 2)
    found = batches.preview(actor=as_dave, batch=batch(template="{{text}}"))
    assert found["done"] == {"rows": 2, "runs": [first.pk]}
    second = batches.submit(actor=as_dave, batch=batch(template="{{text}}", skip_done=True))
    assert [task.input for task in tasks(second)] == ["One", "Four"]
    assert second.spec["skipped"] == [[2, 3]]


def test_rows_are_done_again_unless_skipping_is_asked_for(as_bob, batch):
    complete(batches.submit(actor=as_bob, batch=batch(template="{{text}}")))
    assert batches.submit(actor=as_bob, batch=batch(template="{{text}}")).tasks.count() == 4


def test_a_batch_of_which_nothing_is_left_is_refused_with_where_it_was_done(as_bob, batch):
    first = batches.submit(actor=as_bob, batch=batch(template="{{text}}"))
    complete(first)
    with pytest.raises(Conflict, match=f"All 4 rows are done already: run {first.pk}"):
        batches.submit(actor=as_bob, batch=batch(template="{{text}}", skip_done=True))


def test_the_same_key_finds_its_run_even_when_all_of_it_is_done(as_bob, batch):
    wanted = batch(template="{{text}}", skip_done=True)
    first = batches.submit(actor=as_bob, batch=wanted, idempotency_key="k", request_hash="h")
    complete(first)
    assert batches.submit(actor=as_bob, batch=wanted, idempotency_key="k", request_hash="h").pk == first.pk


@pytest.mark.parametrize(
    "change",
    [
        {"template": "{{text}}!"},
        {"system": "Be brief."},
        {"type": "chat"},
        {"task": {"parameters": {"seed": 1}}},
        {"task": {"model_name": "llama3.2"}},
        {"task": {"format": "json"}},
    ],
)
def test_a_row_that_would_be_sent_otherwise_is_not_done(as_bob, batch, change):
    complete(batches.submit(actor=as_bob, batch=batch(template="{{text}}")))
    wanted = batch(**{"template": "{{text}}", **change})
    assert batches.preview(actor=as_bob, batch=wanted)["done"]["rows"] == 0


def test_an_agent_that_speaks_differently_now_has_done_nothing(as_bob, batch, agent):
    complete(batches.submit(actor=as_bob, batch=batch(template="{{text}}")))
    agent.system_prompt = "Be rude."
    agent.save()
    assert batches.preview(actor=as_bob, batch=batch(template="{{text}}"))["done"]["rows"] == 0


def test_a_preset_that_says_something_else_now_has_done_nothing(as_bob, as_alice, batch):
    made = presets.create(actor=as_bob, name="mine", options={"temperature": 0.1})
    wanted = batch(template="{{text}}", task={"preset": "mine"})
    complete(batches.submit(actor=as_bob, batch=wanted))
    assert batches.preview(actor=as_bob, batch=wanted)["done"]["rows"] == 4
    presets.update(actor=as_alice, preset_id=made.pk, options={"temperature": 1})
    assert batches.preview(actor=as_bob, batch=wanted)["done"]["rows"] == 0


# Dry runs


def test_a_dry_run_takes_five_rows_and_counts_as_nothing(as_bob, batch):
    text = "".join(f"row {number}\n" for number in range(9))
    run = batches.dry_run(actor=as_bob, batch=batch(text, title="Words", stop_failed_percent=1))
    assert (run.tasks.count(), run.spec["dry_run"], run.title) == (5, True, "Dry run: Words")
    assert run.stop_failed_percent is None
    complete(run)
    assert batches.preview(actor=as_bob, batch=batch(text))["done"]["rows"] == 0


# Embeddings


@pytest.fixture
def embeddings(make_node, make_agent, bob, batch):
    make_node("gpu-e", models=("nomic-embed-text:latest",))
    agent = make_agent("embedder", models=["nomic-embed-text:latest"], owner=bob)

    def make(count, **fields):
        rows = [{"text": f"row {number}", "key": f"k{number}"} for number in range(count)]
        task = TaskSpec(type="embed")
        return BatchRequest(agent=agent, table=table_of(rows), task=task, columns=Columns(prompt="text"), **fields)

    return make


def test_rows_to_embed_share_calls(as_bob, embeddings, settings):
    settings.DROVER_EMBED_ROWS = 4
    run = batches.submit(actor=as_bob, batch=embeddings(10))
    assert [len(task.input) for task in tasks(run)] == [4, 4, 2]
    assert (run.spec["rows"], run.spec["sizes"]) == (10, [4, 4, 2])
    assert tasks(run)[2].input == ["row 8", "row 9"]


def test_what_rows_to_embed_came_with_stays_with_each(as_bob, embeddings, settings):
    settings.DROVER_EMBED_ROWS = 2
    wanted = embeddings(3)
    wanted = BatchRequest(
        agent=wanted.agent,
        table=wanted.table,
        task=wanted.task,
        columns=Columns(prompt="text", client_ref="key", metadata=["key"]),
    )
    run = batches.submit(actor=as_bob, batch=wanted)
    assert tasks(run)[1].metadata == {"rows": [{"client_ref": "k2", "metadata": {"key": "k2"}}]}


def test_calls_that_embedded_the_same_rows_are_skipped(as_bob, embeddings, settings):
    settings.DROVER_EMBED_ROWS = 4
    complete(batches.submit(actor=as_bob, batch=embeddings(10)), 0)
    assert batches.preview(actor=as_bob, batch=embeddings(10))["done"]["rows"] == 4
    run = batches.submit(actor=as_bob, batch=embeddings(10, skip_done=True))
    assert run.spec["skipped"] == [[1, 4]]
    assert run.spec["rows"] == 6


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        ({"title": "Words", "source": "a.csv", "template": "Say {{text}}"}, "Words"),
        ({"source": "a.csv", "template": "Say {{text}}"}, "a.csv"),
        ({"template": "\n Say {{text}}\nplease"}, "Say {{text}}"),
    ],
)
def test_a_batch_without_a_title_is_called_by_what_its_rows_share(fields, title, as_bob, batch):
    assert batches.submit(actor=as_bob, batch=batch("text\na\nb\n", **fields)).title == title

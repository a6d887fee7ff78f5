"""The list, the form with its preview, one batch with its rows and controls, by whom."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from orchestration.models import AuditEntry, Run, Task
from orchestration.policy.mapping import Columns
from orchestration.policy.states import TaskStatus
from orchestration.policy.tables import table_of
from orchestration.services import batches as service
from orchestration.services import runs
from orchestration.services.batches import BatchRequest
from orchestration.services.specs import TaskSpec

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server", "node")]

JSON = {"Accept": "application/json"}
CSV = "id,Review text\na,One\nb,Two\nc,Three\nd,Four\n"


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.fixture
def fields(agent):
    def make(**more):
        return {"agent": agent.pk, "type": "generate", "priority": 1, "text": CSV, "form_key": "k", **more}

    return make


@pytest.fixture
def send(as_bob, agent):
    def submit(count=4, **options):
        table = table_of([{"q": f"row {number}", "ref": f"r{number}"} for number in range(count)])
        columns = Columns(prompt="q", client_ref="ref")
        wanted = BatchRequest(agent=agent, table=table, task=TaskSpec(type="generate"), columns=columns, **options)
        return service.submit(actor=as_bob, batch=wanted)

    return submit


def fail(run, position, code="timeout"):
    task = Task.objects.get(run=run, position=position)
    Task.objects.transition(task.pk, TaskStatus.FAILED, error_code=code, error=f"{code} happened")


# The list


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_sees_the_list(name, request, as_user, send):
    run = send(title="Reviews")
    fail(run, 0)
    text = as_user(request.getfixturevalue(name)).get("/batches").text
    assert "Reviews" in text
    assert 'aria-label="1 failed, of 4 rows"' in text


def test_a_viewer_sees_why_nothing_can_be_sent(as_user, carol):
    assert "needs the role operator" in as_user(carol).get("/batches").text
    assert "needs the role operator" in as_user(carol).get("/batches/new").text


def test_older_batches_are_a_page_further(as_user, bob, send):
    for number in range(26):
        send(1, title=f"batch number {number}!")
    first = as_user(bob).get("/batches").text
    assert "batch number 0!" not in first
    cursor = first.split("?cursor=")[1].split('"')[0]
    assert "batch number 0!" in as_user(bob).get(f"/batches?cursor={cursor}").text


def test_before_the_first_batch_the_page_says_what_one_is(as_user, bob):
    assert "A batch sends one prompt for each row" in as_user(bob).get("/batches").text


# The form


def test_a_preview_shows_columns_and_rows_as_they_would_be_sent(as_user, bob, fields):
    text = as_user(bob).post("/batches/preview", fields(template="Say {{Review_text}}", client_ref="id")).text
    assert "{{Review_text}}" in text
    assert "4 rows of 2 columns, read as csv." in text
    assert ["Say One" in text, "Say Three" in text, "Say Four" in text] == [True, True, False]
    assert Run.objects.count() == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"template": "{{Reveiw_text}}"}, "Did you mean {{Review_text}}?"),
        ({"text": "a,b\n1,2\n1\n", "format": "csv"}, "Line 3 has 1 value"),
        ({"template": "x", "max_parallel": "0"}, "Rows at once: "),
        ({"template": "x", "temperature": "hot"}, "Temperature: "),
        ({}, "Say which column is the prompt"),
        ({"template": "x"}, "The template quotes no column"),
    ],
)
def test_what_is_wrong_is_said_beside_the_preview(as_user, bob, fields, more, words):
    answer = as_user(bob).post("/batches/preview", fields(**more))
    assert words in answer.text.replace("&#x27;", "'")
    assert answer.status_code == 200


def test_columns_are_shown_even_while_the_prompt_is_wrong(as_user, bob, fields):
    text = as_user(bob).post("/batches/preview", fields(template="{{nope}}")).text
    assert 'data-insert="{{Review_text}}"' in text
    assert "The first rows as they came" in text


def test_nothing_is_no_mistake(as_user, bob, fields):
    text = as_user(bob).post("/batches/preview", fields(text="")).text
    assert "its columns appear here" in text
    assert "verdict" not in text


def test_rows_that_are_done_are_offered_to_be_skipped(as_user, bob, fields, as_bob, agent):
    client = as_user(bob)
    client.post("/batches/new", fields(template="{{Review_text}}", action="start"))
    task = Task.objects.order_by("pk").first()
    for status in (TaskStatus.ASSIGNED, TaskStatus.RUNNING, TaskStatus.COMPLETED):
        Task.objects.transition(task.pk, status)
    text = client.post("/batches/preview", fields(template="{{Review_text}}")).text
    assert f'data-done="1" data-done-runs="#{task.run_id}"' in text
    client.post("/batches/new", fields(template="{{Review_text}}", action="start", skip_done="on", form_key="k2"))
    assert Run.objects.latest("pk").spec["skipped"] == [[1, 1]]


def test_a_batch_is_started_from_the_form(as_user, bob, fields):
    sent = fields(
        template="Say {{Review_text}}",
        system="Row {{id}}",
        client_ref="id",
        metadata=["id"],
        title="Words",
        max_parallel="2",
        stop_failed_percent="5",
        temperature="0.5",
        tags="x",
        action="start",
    )
    answer = as_user(bob).post("/batches/new", sent)
    run = Run.objects.get()
    assert answer.url == f"/batches/{run.pk}"
    assert (run.title, run.max_parallel, run.stop_failed_percent) == ("Words", 2, 5.0)
    task = run.tasks.get(position=1)
    assert (task.input, task.system_prompt, task.client_ref, task.metadata) == ("Say Two", "Row b", "b", {"id": "b"})
    assert (task.parameters, task.tags) == ({"temperature": 0.5}, ["x"])


def test_a_form_that_is_sent_twice_makes_one_batch(as_user, bob, fields):
    for _ in range(2):
        as_user(bob).post("/batches/new", fields(template="{{id}}", action="start"))
    assert Run.objects.count() == 1


def test_a_file_is_read_and_gives_the_batch_its_name(as_user, bob, fields):
    upload = SimpleUploadedFile("questions.jsonl", b'{"q": "Why?"}\n{"q": "How?"}\n')
    answer = as_user(bob).post("/batches/new", fields(text="", file=upload, action="start"), headers=JSON)
    run = Run.objects.get()
    assert answer.json() == {"id": run.pk, "message": "", "url": f"/batches/{run.pk}"}
    assert run.title == "questions.jsonl"


def test_a_dry_run_takes_five_rows(as_user, bob, fields):
    sent = fields(text="".join(f"say {number}\n" for number in range(8)), action="dry")
    as_user(bob).post("/batches/new", sent)
    run = Run.objects.get()
    assert (run.tasks.count(), run.spec["dry_run"]) == (5, True)
    assert "dry run" in as_user(bob).get(f"/batches/{run.pk}").text


def test_without_a_script_a_refusal_keeps_what_was_dropped(as_user, bob, fields):
    upload = SimpleUploadedFile("rows.csv", CSV.encode())
    answer = as_user(bob).post("/batches/new", fields(text="", template="{{nope}}", file=upload, action="start"))
    assert answer.status_code == 422
    assert "There is no column for {{nope}}" in answer.text
    assert "a,One" in answer.text


def test_a_script_is_told_in_json_what_is_wrong(as_user, bob, fields):
    answer = as_user(bob).post("/batches/new", fields(template="{{nope}}", action="start"), headers=JSON)
    assert answer.status_code == 400
    assert "There is no column" in answer.json()["error"]["message"]
    wrong = as_user(bob).post("/batches/new", fields(max_tries="0", template="x", action="dry"), headers=JSON)
    assert "Most tries" in wrong.json()["error"]["message"]


def test_a_viewer_can_neither_look_nor_send(as_user, carol, fields):
    client = as_user(carol)
    assert "needs the role operator" in client.post("/batches/preview", fields(template="{{id}}")).text
    assert client.post("/batches/new", fields(template="{{id}}", action="start"), headers=JSON).status_code == 403
    assert Run.objects.count() == 0


def test_the_form_begins_with_the_agent_of_the_address(as_user, bob, agent):
    assert f'<option value="{agent.pk}" selected>' in as_user(bob).get("/batches/new?agent=writer").text


# One batch


def test_a_batch_shows_its_sums_its_rows_and_what_was_asked(as_user, carol, send):
    run = send(4, title="Reviews", template="")
    fail(run, 1)
    text = as_user(carol).get(f"/batches/{run.pk}").text
    for words in ("Reviews", "row 0", "r3", "timeout happened", "What was asked", "{{q}}", "Results so far"):
        assert words in text
    assert '<b class="num" data-count="pending">3</b>' in text


def test_rows_are_paged_and_narrowed_by_the_address(as_user, bob, send):
    run = send(60)
    fail(run, 55)
    first = as_user(bob).get(f"/batches/{run.pk}").text
    assert "row 49" in first
    assert "row 50" not in first
    second = as_user(bob).get(f"/batches/{run.pk}?cursor=b49").text
    assert "row 50" in second
    assert 'rel="prev"' in second
    failed = as_user(bob).get(f"/batches/{run.pk}?status=failed").text
    assert ("row 55" in failed, "row 54" in failed) == (True, False)
    assert "row 55" in as_user(bob).get(f"/batches/{run.pk}?error=timeout").text
    assert "No such rows" in as_user(bob).get(f"/batches/{run.pk}?error=refused").text


@pytest.mark.parametrize("query", ["status=odd", "cursor=zz"])
def test_an_address_that_means_nothing_is_refused(as_user, bob, send, query):
    assert as_user(bob).get(f"/batches/{send(1).pk}?{query}").status_code == 400


def test_what_is_no_batch_has_no_page(as_user, bob, submit):
    assert as_user(bob).get(f"/batches/{submit('one').pk}").status_code == 404


def test_limits_are_changed_while_it_runs(as_user, bob, send):
    run = send(4)
    answer = as_user(bob).post(
        f"/batches/{run.pk}/limits", {"max_parallel": "2", "stop_failed_percent": "7,5"}, headers=JSON
    )
    assert answer.json()["message"] == "The limits are changed."
    run.refresh_from_db()
    assert (run.max_parallel, run.stop_failed_percent) == (2, 7.5)
    as_user(bob).post(f"/batches/{run.pk}/limits", {"max_parallel": "", "stop_failed_percent": ""})
    run.refresh_from_db()
    assert (run.max_parallel, run.stop_failed_percent) == (None, None)
    assert AuditEntry.objects.filter(action="run.changed").count() == 2


@pytest.mark.parametrize("sent", [{"max_parallel": "many"}, {"stop_failed_percent": "x"}, {"max_parallel": "0"}])
def test_limits_that_are_no_numbers_are_refused(as_user, bob, send, sent):
    assert as_user(bob).post(f"/batches/{send(2).pk}/limits", sent, headers=JSON).status_code == 400


def test_a_stranger_cannot_change_limits_and_sees_why(as_user, dave, send):
    run = send(2)
    assert as_user(dave).post(f"/batches/{run.pk}/limits", {"max_parallel": "1"}, headers=JSON).status_code == 403
    assert "This belongs to somebody else" in as_user(dave).get(f"/batches/{run.pk}").text


def test_a_paused_batch_offers_to_go_on(as_user, bob, send, as_bob):
    run = send(2)
    runs.pause(actor=as_bob, run_id=run.pk)
    text = as_user(bob).get(f"/batches/{run.pk}").text
    assert "paused by bob" in text
    assert f'action="/runs/{run.pk}/resume"' in text


def test_vectors_can_be_downloaded_as_an_array(as_user, bob, as_bob, make_node, make_agent):
    make_node("gpu-e", models=("nomic-embed-text:latest",))
    agent = make_agent("embedder", models=["nomic-embed-text:latest"])
    wanted = BatchRequest(agent=agent, table=table_of(["a"]), task=TaskSpec(type="embed"), columns=Columns())
    run = service.submit(actor=as_bob, batch=wanted)
    assert "format=npy" in as_user(bob).get(f"/batches/{run.pk}").text

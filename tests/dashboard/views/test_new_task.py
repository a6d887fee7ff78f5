"""The form for a new task: what it sends, what it keeps, what it refuses."""

import base64

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from orchestration.models import Task
from orchestration.services import documents, tasks
from orchestration.services.specs import TaskSpec

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def send(client, bob, agent, node):
    def post(user=bob, **fields):
        client.force_login(user)
        sent = {"type": "generate", "agent": agent.pk, "prompt": "Say hello.", "priority": 1, **fields}
        return client.post("/new", {name: value for name, value in sent.items() if value is not None})

    return post


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_sees_the_form_and_a_viewer_why_it_is_closed(name, request, client, agent, node):
    client.force_login(request.getfixturevalue(name))
    text = client.get("/new").text
    assert "llama3.2:latest" in text
    assert ("Submitting tasks needs the role operator" in text) == (name == "carol")


def test_a_task_is_submitted_and_shown(send):
    answer = send(temperature="0.2", num_predict="64", num_ctx="8192", stop="END\nSTOP", tags="a, b,a", priority=0)
    task = Task.objects.get()
    assert answer["Location"] == f"/tasks/{task.pk}"
    assert task.parameters == {"temperature": 0.2, "num_predict": 64, "num_ctx": 8192, "stop": ["END", "STOP"]}
    assert (task.tags, task.priority, task.owner.username) == (["a", "b"], 0, "bob")


def test_a_form_sent_twice_is_one_task_and_a_changed_one_another(send):
    answers = [send(form_key="k1"), send(form_key="k1"), send(form_key="k1", prompt="Another."), send(form_key="k2")]
    assert [answer.status_code for answer in answers] == [302] * 4
    assert len({answer["Location"] for answer in answers}) == 3
    assert Task.objects.count() == 3


def test_a_chat_is_sent_as_messages_without_the_empty_ones(send):
    send(type="chat", prompt="", role=["system", "user", "user"], content=["Be brief.", "Why?", " "])
    assert Task.objects.get().messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?"},
    ]


@pytest.fixture
def sea(as_bob):
    return documents.write(actor=as_bob, name="sea.md", text="Salt.").document


def test_documents_are_chosen_from_a_list_and_put_into_the_prompt(send, sea):
    send(documents=[sea.pk], context_tokens="512")
    task = Task.objects.get()
    assert [passage["text"] for passage in task.passages] == ["Salt."]
    assert list(task.documents.all()) == [sea]


def test_the_document_that_somebody_comes_from_is_chosen_already(client, bob, agent, node, sea):
    client.force_login(bob)
    form = client.get(f"/new?document={sea.pk}").context["form"]
    assert [(row["name"], row["chosen"]) for row in form.document_rows] == [("sea.md", True)]


def test_editing_a_task_as_new_keeps_its_documents(client, bob, send, sea):
    send(documents=[sea.pk])
    form = client.get(f"/new?from=task:{Task.objects.get().pk}").context["form"]
    assert [row["chosen"] for row in form.document_rows] == [True]


def test_a_document_that_is_gone_and_one_that_is_no_number_are_refused(send, sea):
    assert send(documents=["99"]).status_code == 422
    assert send(documents=["x"]).status_code == 422
    assert not Task.objects.exists()


def test_texts_to_embed_take_no_documents(send, sea):
    send(type="embed", prompt="one", documents=[sea.pk])
    assert not Task.objects.get().documents.exists()


def test_texts_to_embed_are_one_a_line(send):
    send(type="embed", prompt="one\n\ntwo\n", temperature="0.5")
    task = Task.objects.get()
    assert task.input == ["one", "two"]
    assert task.parameters == {}


def test_images_travel_as_base64(send):
    send(images=[SimpleUploadedFile("dot.png", PIXEL, "image/png")])
    assert Task.objects.get().images == [base64.b64encode(PIXEL).decode()]


def test_a_schema_is_sent_as_the_format(send):
    send(format="schema", schema='{"type": "object"}', think="off")
    task = Task.objects.get()
    assert (task.format, task.think) == ({"type": "object"}, False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prompt": " "}, "Say what the model should do."),
        ({"type": "chat", "role": ["user"], "content": [""]}, "Write at least one message."),
        ({"temperature": "hot"}, "Enter a number."),
        ({"top_p": "7"}, "less than or equal to 1"),
        ({"format": "schema", "schema": "{"}, "This is not JSON"),
        ({"format": "schema", "schema": "[]"}, "A schema is a JSON object."),
        ({"format": "schema", "schema": '{"minimum": NaN}'}, "NaN is not a number"),
        ({"format": "schema", "schema": '{"minimum": 1e999}'}, "1e999 is too large"),
        ({"format": "schema", "schema": '{"title": "\\u0000"}'}, "the character NUL"),
        ({"format": "schema", "schema": '{"title": "\\ud800"}'}, "half of a surrogate pair"),
        ({"format": "schema", "schema": "[" * 100_000}, "This is not JSON"),
        ({"type": "paint"}, "Select a valid choice"),
        ({"agent": "4711"}, "Select a valid choice"),
        ({"model_name": "lama3.2"}, "Did you mean llama3.2:latest?"),
        ({"tags": "x" * 41}, "at most 20 tags"),
        ({"images": [SimpleUploadedFile("a.txt", b"words", "text/plain")]}, "a.txt is not an image."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(send, fields, words):
    answer = send(**{"stop": "KEEP ME", **fields})
    assert answer.status_code == 422
    assert words in answer.text.replace("&#x27;", "'")
    assert "KEEP ME" in answer.text
    assert not Task.objects.exists()


def test_too_many_images_are_refused(send):
    answer = send(images=[SimpleUploadedFile(f"{n}.png", PIXEL, "image/png") for n in range(17)])
    assert "At most 16 images" in answer.text


def test_a_model_that_no_node_has_can_be_waited_for(send, make_agent):
    any_model = make_agent("free", models=["mixtral"])
    assert send(agent=any_model.pk).status_code == 422
    assert send(agent=any_model.pk, allow_missing="on").status_code == 302


def test_an_earlier_task_fills_the_form(client, bob, send):
    send(
        prompt="Tell a story.\nA long one.",
        temperature="0.7",
        tags="tale",
        images=[SimpleUploadedFile("d.png", PIXEL, "image/png")],
    )
    task = Task.objects.get()
    text = client.get(f"/new?from=task:{task.pk}").text
    assert "Tell a story.\nA long one." in text
    assert 'value="0.7"' in text
    assert "Send the 1 image of the original again" in text


def test_the_copy_knows_its_original_and_keeps_its_images(send):
    send(images=[SimpleUploadedFile("dot.png", PIXEL, "image/png")])
    original = Task.objects.get()
    send(origin=f"task:{original.pk}", keep_images="on")
    copy = Task.objects.latest("pk")
    assert (copy.retried_from, copy.images) == (original, original.images)


def test_an_agent_can_be_chosen_by_the_address(client, bob, make_agent, agent):
    other = make_agent("other")
    client.force_login(bob)
    assert f'<option value="{other.pk}" selected>' in client.get(f"/new?agent={other.pk}").text


@pytest.mark.parametrize("query", ["from=task:4711", "agent=4711"])
def test_an_address_that_leads_nowhere_is_not_found(query, client, bob, agent):
    client.force_login(bob)
    assert client.get(f"/new?{query}").status_code == 404


def test_a_viewer_cannot_submit(send, carol):
    answer = send(user=carol)
    assert answer.status_code == 302
    assert not Task.objects.exists()


COUNT = """
    class Count:
        needs = "completion"
        parameters = {"type": "object", "properties": {"by": {"type": "integer"}}, "additionalProperties": False}

        async def run(self, context):
            return 1
"""


@pytest.fixture
def count(packages):
    packages.add(COUNT, task_types={"count-words": "Count"})


def test_a_type_that_is_installed_is_offered_and_takes_its_parameters(send, client, bob, count):
    client.force_login(bob)
    assert 'value="count-words"' in client.get("/new").text
    send(type="count-words", parameters='{"by": 2}', seed="7", form_key="")
    task = Task.objects.get()
    assert (task.type, task.input, task.messages) == ("count-words", "Say hello.", None)
    assert task.parameters == {"by": 2, "options": {"seed": 7}}
    assert task.options == {"seed": 7}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("[1]", "Parameters are a JSON object."),
        ("{", "This is not JSON"),
        ('{"by": "x"}', "parameters of count-words: by"),
    ],
)
def test_parameters_of_an_installed_type_are_checked_beside_their_field(send, count, parameters, words):
    answer = send(type="count-words", parameters=parameters)
    assert answer.status_code == 422
    assert words in " ".join(answer.context["form"].errors["parameters"])
    assert not Task.objects.exists()


def test_parameters_are_no_affair_of_the_other_types(send):
    send(parameters="{")
    assert Task.objects.get().parameters == {}


def test_a_task_of_an_installed_type_is_edited_by_the_form(send, client, as_bob, agent, count):
    fields = {"input": ["a", "b"], "parameters": {"by": 2, "options": {"seed": 7, "stop": ["END"]}}}
    first = tasks.submit(actor=as_bob, agent=agent, specs=[TaskSpec(type="count-words", **fields)]).tasks.get()
    client.force_login(first.owner)
    form = client.get(f"/new?from=task:{first.pk}").context["form"]
    sent = {name: form[name].value() for name in ("type", "prompt", "parameters", "seed", "stop", "origin")}
    assert (sent["prompt"], sent["seed"], sent["stop"]) == ("a\nb", 7, "END")
    send(**sent)
    again = Task.objects.latest("pk")
    assert (again.retried_from_id, again.type) == (first.pk, "count-words")
    assert (again.input, again.parameters) == (["a", "b"], first.parameters)
    send(**{**sent, "prompt": "c", "parameters": '{"by": 3}'})
    other = Task.objects.latest("pk")
    assert (other.input, other.parameters["by"]) == ("c", 3)

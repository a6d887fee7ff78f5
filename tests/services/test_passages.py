"""From documents to what a model reads: all of them, the nearest by embedding, or the nearest by words."""

from dataclasses import replace

import pytest
from django.utils import timezone

from orchestration import queries
from orchestration.errors import InvalidInput, Unprocessable
from orchestration.models import Agent, NodeModel, OllamaModel, Run, Task
from orchestration.policy.passages import asked, read
from orchestration.policy.states import RunKind, TaskStatus
from orchestration.services import documents, runs, steps, submission, tasks
from orchestration.services.passages import question_of
from orchestration.services.submission import RunPlan, submit_run
from orchestration.services.tasks import TaskSpec

pytestmark = pytest.mark.django_db

TOPICS = ("Whales sing at night.", "Ships carry bread and salt.", "Krill lives in cold water.", "Gulls steal fish.")
LONG = "\n\n".join(
    f"## Part {at}\n\n{topic} " + "Nothing else is said here at all. " * 12 for at, topic in enumerate(TOPICS)
)


@pytest.fixture
def embedder(node):
    """A node with an embedding model beside the usual one."""
    model = OllamaModel.objects.create(name="nomic-embed-text:latest", capabilities=["embedding"], context_length=2048)
    NodeModel.objects.create(node=node, model=model, installed=True)
    Agent.objects.get_or_create(name="default")
    return model


def ask(actor, agent, question="Where does krill live?", **fields) -> Task:
    spec = TaskSpec(**{"type": "generate", "input": question, "context_tokens": 256, **fields})
    return tasks.submit(actor=actor, agent=agent, specs=[spec]).tasks.get()


def finish(task: Task, **fields) -> None:
    """A worker has done it, without one."""
    Task.objects.transition(task.pk, TaskStatus.ASSIGNED)
    Task.objects.transition(task.pk, TaskStatus.RUNNING)
    Task.objects.transition(task.pk, fields.pop("to", TaskStatus.COMPLETED), ended_at=timezone.now(), **fields)


def helper_of(task: Task) -> Task:
    return Task.objects.get(dependents__task=task)


def one_hot(at: int, count: int) -> list[list[float]]:
    """The question points where the passage at this place does."""
    vectors = [[1.0 if here == column else 0.0 for column in range(count)] for here in range(count)]
    return [vectors[at], *vectors]


def test_what_fits_goes_in_as_a_whole(as_bob, agent, node):
    document = documents.write(actor=as_bob, name="sea.md", text="# Sea\n\nSalt.\n\n# Sky\n\nBlue.").document
    task = ask(as_bob, agent, document_ids=[document.pk], context=[{"text": "Aside.", "name": "Note"}])
    assert task.status == TaskStatus.PENDING
    shown = [(item["number"], item["name"], item["heading"], item["document_id"]) for item in task.passages]
    assert shown == [(1, "sea.md", "Sea", document.pk), (2, "sea.md", "Sky", document.pk), (3, "Note", "", None)]
    assert task.passages_note == "All 3 passages fit."
    assert list(task.documents.all()) == [document]
    assert task.title == "Where does krill live?"


def test_what_is_too_long_is_embedded_first_in_a_run_of_its_own(as_bob, agent, embedder):
    task = ask(as_bob, agent, context=[{"text": LONG}])
    helper = helper_of(task)
    assert (task.status, task.passages, helper.status) == (TaskStatus.BLOCKED, [], TaskStatus.PENDING)
    assert helper.run_id != task.run_id
    assert task.run.tasks.count() == 1
    assert helper.input[0] == "Where does krill live?"
    assert len(helper.input) == 5
    assert helper.lane.models == ["nomic-embed-text:latest"]
    assert helper.title == "Passages for “Where does krill live?”"
    assert queries.waits([task])[task.pk].sentence == f"Waits for task {helper.pk}: its passages are embedded"


def test_when_they_are_embedded_the_nearest_are_taken(as_bob, agent, embedder):
    task = ask(as_bob, agent, context=[{"text": LONG, "name": "sea.md"}])
    helper = helper_of(task)
    finish(helper, vectors=one_hot(3, 4))
    steps.promote(now=timezone.now())
    task.refresh_from_db()
    helper.refresh_from_db()
    assert task.status == TaskStatus.PENDING
    assert [(item["number"], item["heading"]) for item in task.passages] == [(1, "Part 3")]
    assert "nearest to the question by embedding" in task.passages_note
    assert helper.vectors is None
    assert helper.input == ["Where does krill live?"]
    assert f"task {task.pk}" in helper.output


def test_a_retry_chooses_the_same_passages_without_embedding_again(as_bob, agent, embedder):
    task = ask(as_bob, agent, context=[{"text": LONG}])
    finish(helper_of(task), vectors=one_hot(3, 4))
    steps.promote(now=timezone.now())
    chosen = Task.objects.get(pk=task.pk).passages
    finish(task, to=TaskStatus.FAILED)
    tasks.retry(actor=as_bob, task_id=task.pk)
    task.refresh_from_db()
    assert (task.status, task.passages) == (TaskStatus.PENDING, chosen)
    assert "by embedding" in task.passages_note


@pytest.mark.parametrize("end", [TaskStatus.FAILED, TaskStatus.CANCELLED])
def test_a_failed_embedding_is_replaced_by_shared_words(as_bob, agent, embedder, end):
    task = ask(as_bob, agent, context=[{"text": LONG}])
    finish(helper_of(task), to=end, error="The node went away.")
    steps.promote(now=timezone.now())
    task.refresh_from_db()
    assert task.status == TaskStatus.PENDING
    assert [item["heading"] for item in task.passages] == ["Part 2"]
    assert f"{end} (The node went away.)" in task.passages_note


def test_where_no_node_has_an_embedding_model_words_decide_at_once(as_bob, agent, node):
    task = ask(as_bob, agent, context=[{"text": LONG}])
    assert task.status == TaskStatus.PENDING
    assert [item["heading"] for item in task.passages] == ["Part 2"]
    assert task.passages_note.endswith("share the most words with the question: no node has an embedding model.")
    assert Run.objects.count() == 1


def test_an_embedding_model_on_a_node_that_does_not_answer_is_not_waited_for(as_bob, agent, embedder, node):
    type(node).objects.filter(pk=node.pk).update(health="unhealthy")
    assert ask(as_bob, agent, context=[{"text": LONG}]).status == TaskStatus.PENDING


def test_a_question_that_quotes_an_earlier_step_is_compared_by_words_when_it_is_known(as_bob, agent, embedder):
    first = TaskSpec(type="generate", input="Name an animal.")
    second = TaskSpec(
        type="generate", input="Where does {{previous}} live?", context=[{"text": LONG}], context_tokens=256
    )
    run = tasks.submit(actor=as_bob, agent=agent, specs=[first, second], sequential=True)
    one, two = run.tasks.order_by("position")
    finish(one, output="krill {{step1}}")
    steps.promote(now=timezone.now())
    two.refresh_from_db()
    assert two.input == "Where does krill {{step1}} live?"
    assert [item["heading"] for item in two.passages] == ["Part 2"]
    assert "no question to embed" in two.passages_note


def test_each_item_of_a_fan_out_gets_the_passages_nearest_to_it(as_bob, agent, node):
    template = {"input": "Where do {{item}} live?", "for_each": '["krill", "gulls"]'}
    spec = TaskSpec(
        type="generate", input="Where do {{item}} live?", template=template, context_tokens=256, step="each"
    )
    first = TaskSpec(type="generate", input="Begin.", step="begin")
    specs = [first, replace(spec, needs=[0], context=[{"text": LONG}])]
    run = submit_run(actor=as_bob, agent=agent, specs=specs, plan=RunPlan(kind=RunKind.WORKFLOW))
    finish(run.tasks.get(step="begin"))
    steps.promote(now=timezone.now())
    found = {task.input: [item["heading"] for item in task.passages] for task in Task.objects.exclude(parent=None)}
    assert found == {"Where do krill live?": ["Part 2"], "Where do gulls live?": ["Part 3"]}


def test_placeholders_in_documents_stay_text(as_bob, agent, node):
    first = TaskSpec(type="generate", input="Name an animal.")
    second = TaskSpec(
        type="generate", input="Tell of {{previous}}.", context=[{"text": "A {{step1}} and {{previous}}."}]
    )
    run = tasks.submit(actor=as_bob, agent=agent, specs=[first, second], sequential=True)
    one, two = run.tasks.order_by("position")
    finish(one, output="krill")
    steps.promote(now=timezone.now())
    two.refresh_from_db()
    assert two.input == "Tell of krill."
    assert "A {{step1}} and {{previous}}." in asked(two.input, read(two.passages))


def test_the_lane_has_room_for_what_the_documents_put_in(as_bob, agent, node):
    small, large = ask(as_bob, agent), ask(as_bob, agent, context=[{"text": LONG * 12}], context_tokens=6000)
    assert small.lane.num_ctx < large.lane.num_ctx


def test_documents_take_no_more_than_the_model_can_read(as_bob, agent, node):
    OllamaModel.objects.update(context_length=2048)
    task = ask(as_bob, agent, context=[{"text": LONG * 12}], context_tokens=6000)
    assert sum(passage.cost for passage in read(task.passages)) < 2048


def _cancel_alone(actor, task):
    tasks.cancel(actor=actor, task_id=task.pk)


def _cancel_its_run(actor, task):
    assert runs.cancel(actor=actor, run_id=task.run_id) == 1


@pytest.mark.parametrize("cancel", [_cancel_alone, _cancel_its_run])
def test_nothing_is_embedded_for_a_task_that_was_cancelled_until_it_is_done_again(
    as_bob, agent, embedder, redis_server, cancel
):
    task = ask(as_bob, agent, context=[{"text": LONG}])
    helper = helper_of(task)
    cancel(as_bob, task)
    helper.refresh_from_db()
    assert helper.status == TaskStatus.CANCELLED
    steps.promote(now=timezone.now())
    tasks.retry(actor=as_bob, task_id=task.pk)
    helper.refresh_from_db()
    task.refresh_from_db()
    assert (helper.status, task.status) == (TaskStatus.PENDING, TaskStatus.BLOCKED)
    finish(helper, vectors=one_hot(3, 4))
    steps.promote(now=timezone.now())
    task.refresh_from_db()
    assert "by embedding" in task.passages_note


def test_what_embeds_for_another_task_goes_on(as_bob, agent, embedder):
    first, second = (ask(as_bob, agent, context=[{"text": LONG}]) for _ in range(2))
    tasks.cancel(actor=as_bob, task_id=first.pk)
    assert helper_of(second).status == TaskStatus.PENDING


@pytest.mark.parametrize("number", [10**30, -1])
def test_a_number_that_is_no_documents_is_refused(as_bob, agent, node, number):
    with pytest.raises(Unprocessable, match=f"no document {number}"):
        ask(as_bob, agent, document_ids=[number])


def test_a_document_that_is_deleted_while_its_task_is_made_is_refused(as_bob, agent, node, monkeypatch):
    document = documents.write(actor=as_bob, name="a.txt", text="Salt.").document
    read = submission.prepared

    def prepared(*args):
        found = read(*args)
        documents.delete(actor=as_bob, document_id=document.pk)
        return found

    monkeypatch.setattr(submission, "prepared", prepared)
    with pytest.raises(Unprocessable, match="no document"):
        ask(as_bob, agent, document_ids=[document.pk])


def test_a_document_that_does_not_exist_is_refused(as_bob, agent, node):
    with pytest.raises(Unprocessable, match="no document 99"):
        ask(as_bob, agent, document_ids=[99])
    assert not Run.objects.exists()


def test_embed_takes_no_documents(as_bob, agent, node):
    with pytest.raises(InvalidInput, match="embed"):
        ask(as_bob, agent, type="embed", input="one", context=[{"text": "two"}])


def test_more_documents_than_anybody_needs_are_refused(as_bob, agent, node):
    with pytest.raises(InvalidInput, match="at most 50"):
        ask(as_bob, agent, context=[{"text": "x"}] * 51)


def test_many_questions_about_one_text_share_the_work(as_bob, agent, embedder):
    text = "\n\n".join(f"Line {at} of krill. " + "Nothing else is said here at all. " * 20 for at in range(60))
    specs = [
        TaskSpec(type="generate", input=f"Line {at}?", context=[{"text": text}], context_tokens=256)
        for at in range(150)
    ]
    tasks.submit(actor=as_bob, agent=agent, specs=specs)
    helpers = Task.objects.filter(type="embed")
    assert helpers.count() == 150
    assert {len(task.input) for task in helpers} == {33}


def test_the_question_of_a_chat_is_the_last_thing_the_person_said():
    said = [
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": "When?"},
        {"role": "assistant", "content": "So"},
    ]
    assert question_of("", said) == "When?"
    assert question_of("", [{"role": "system", "content": "Go."}]) == "Go."
    assert question_of("Why?", None) == "Why?"

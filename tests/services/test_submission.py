"""Submitting: all tasks or none, with what they need of their agent frozen in, once for each idempotency key."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration import events
from orchestration.errors import (
    Conflict,
    InvalidInput,
    ModelUnavailable,
    NotAllowed,
    NotFound,
    TooManyWaiting,
    Unprocessable,
)
from orchestration.models import Agent, AuditEntry, Lane, ModelConfig, Node, OllamaModel, Run, Task, TaskDependency
from orchestration.permissions import Actor
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import submit

ONE = TaskSpec(type="generate", input="\n  Name a river.\nShort.")


def test_a_task_carries_what_it_needs_of_its_agent(as_bob: Actor, make_agent: Callable[..., Agent], node: Node) -> None:
    agent = make_agent(
        system_prompt="Be brief.", options={"temperature": 0.5, "top_k": 9, "num_ctx": 8000}, timeout_seconds=30
    )
    spec = replace(ONE, parameters={"temperature": 0.9}, client_ref="r1", metadata={"a": 1}, tags=["t"], priority=0)
    run = submit(actor=as_bob, agent=agent, specs=[spec])
    task = run.tasks.get()
    assert (run.kind, run.owner_id, run.agent_name) == ("single", as_bob.user_id, "writer")
    assert task.options == {"temperature": 0.9, "top_k": 9}
    assert (task.system_prompt, task.timeout_seconds, task.priority, task.max_tries) == ("Be brief.", 30, 0, 3)
    assert (task.title, task.client_ref, task.metadata, task.tags) == ("Name a river.", "r1", {"a": 1}, ["t"])
    assert (task.lane.models, task.lane.num_ctx) == (["llama3.2:latest"], 8192)
    assert task.ready_at is not None
    assert AuditEntry.objects.get(action="run.submitted").detail == {"kind": "single", "tasks": 1, "agent": "writer"}


def test_many_tasks_are_a_batch_in_a_few_statements(as_bob: Actor, agent: Agent, node: Node) -> None:
    specs = [replace(ONE, input=f"text {number}") for number in range(600)]
    with CaptureQueriesContext(connection) as queries:
        run = submit(actor=as_bob, agent=agent, specs=specs)
    assert len(queries) < 70
    assert run.kind == "batch"
    assert list(run.tasks.order_by("pk").values_list("position", flat=True)) == list(range(600))
    assert Lane.objects.count() == 1


def test_a_sequence_is_a_chain(as_bob: Actor, agent: Agent, node: Node) -> None:
    run = submit(actor=as_bob, agent=agent, specs=[ONE, ONE, ONE], sequential=True)
    one, two, three = run.tasks.order_by("position")
    assert run.kind == "sequence"
    assert list(TaskDependency.objects.order_by("task").values_list("task", "needs")) == [
        (two.pk, one.pk),
        (three.pk, two.pk),
    ]
    assert [task.status for task in (one, two, three)] == ["pending", "blocked", "blocked"]


def test_a_title_is_found_in_every_kind_of_input(as_bob: Actor, agent: Agent, make_node: Callable[..., Node]) -> None:
    make_node(models=("llama3.2:latest", "nomic-embed-text:latest"))
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello there"}]
    specs = [
        TaskSpec(type="chat", messages=said),
        TaskSpec(type="chat", messages=[{"role": "assistant", "content": "Well"}]),
        TaskSpec(type="embed", input=["first text", "second"]),
        TaskSpec(type="generate", input="x", title="Given"),
        TaskSpec(type="generate", input="y" * 500),
    ]
    titles = submit(actor=as_bob, agent=agent, specs=specs).tasks.order_by("pk").values_list("title", flat=True)
    assert list(titles) == ["Hello there", "Well", "first text", "Given", "y" * 160]


def test_a_model_that_no_node_has_is_refused_with_a_suggestion_and_leaves_nothing(
    as_bob: Actor, agent: Agent, node: Node
) -> None:
    with pytest.raises(ModelUnavailable, match=r"No node has llama3\.1:latest\. Did you mean llama3\.2:latest"):
        submit(actor=as_bob, agent=agent, specs=[ONE, replace(ONE, model_name="llama3.1")])
    assert not Run.objects.exists()
    assert not Task.objects.exists()
    assert not Lane.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_missing_model_can_be_waited_for(as_bob: Actor, make_agent: Callable[..., Agent], node: Node) -> None:
    agent = make_agent(models=[])
    run = submit(actor=as_bob, agent=agent, specs=[replace(ONE, model_name="phi4")], allow_missing_models=True)
    assert run.tasks.get().lane.models == ["phi4:latest"]


def test_a_model_on_a_disabled_node_does_not_count(as_bob: Actor, agent: Agent, make_node: Callable[..., Node]) -> None:
    make_node(enabled=False)
    with pytest.raises(ModelUnavailable):
        submit(actor=as_bob, agent=agent, specs=[ONE])


def test_a_model_on_a_node_that_is_away_counts(as_bob: Actor, agent: Agent, make_node: Callable[..., Node]) -> None:
    make_node(health="unhealthy")
    assert submit(actor=as_bob, agent=agent, specs=[ONE]).tasks.count() == 1


def test_the_context_comes_from_the_task_then_the_agent_then_the_model_then_the_default(
    as_bob: Actor, make_agent: Callable[..., Agent], node: Node
) -> None:
    plain, wide = make_agent("plain"), make_agent("wide", options={"num_ctx": 16_000})

    def size(agent: Agent, spec: TaskSpec = ONE) -> int:
        return submit(actor=as_bob, agent=agent, specs=[spec]).tasks.get().lane.num_ctx

    assert size(plain) == 4096
    ModelConfig.objects.create(model_name="llama3.2:latest", options={"num_ctx": 8192})
    assert size(plain) == 8192
    assert size(wide) == 16_384
    assert size(wide, replace(ONE, parameters={"num_ctx": 30_000})) == 32_768


def _long(tokens: int) -> str:
    return "x" * int(tokens * 3.5)


def test_a_prompt_that_needs_more_context_moves_to_the_next_bucket_and_says_so(
    as_bob: Actor, agent: Agent, node: Node
) -> None:
    specs = [replace(ONE, input=_long(tokens)) for tokens in (3000, 4000, 20_000)]
    tasks = submit(actor=as_bob, agent=agent, specs=specs).tasks.select_related("lane").order_by("position")
    assert [task.lane.num_ctx for task in tasks] == [4096, 8192, 32_768]
    assert [task.message for task in tasks] == [
        "",
        "A context of 8,192, because prompt and answer take about 4,250 tokens",
        "A context of 32,768, because prompt and answer take about 20,250 tokens",
    ]


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"parameters": {"num_predict": 5000}}, 8192),
        ({"parameters": {"num_predict": -1}}, 4096),
        ({"parameters": {"num_predict": 100_000}}, 4096),
        ({"images": ["aGVsbG8="] * 4}, 8192),
        ({"parameters": {"num_ctx": 4096}, "input": _long(9000)}, 4096),
        ({"type": "chat", "input": "", "messages": [{"role": "user", "content": _long(2000)}] * 2}, 8192),
        ({"type": "chat", "tools": [{"type": "function", "function": {"description": _long(5000)}}]}, 8192),
        ({"type": "embed", "input": [_long(3000), _long(3000)]}, 4096),
        ({"type": "embed", "input": [_long(10), _long(5000)]}, 8192),
    ],
)
def test_answer_images_and_tools_take_context_too(
    fields: dict[str, Any], size: int, as_bob: Actor, agent: Agent, node: Node
) -> None:
    assert submit(actor=as_bob, agent=agent, specs=[replace(ONE, **fields)]).tasks.get().lane.num_ctx == size


def test_the_usual_size_of_agent_or_model_is_outgrown_as_well(
    as_bob: Actor, make_agent: Callable[..., Agent], node: Node
) -> None:
    wide = make_agent("wide", options={"num_ctx": 8192}, system_prompt=_long(8000))
    assert submit(actor=as_bob, agent=wide, specs=[ONE]).tasks.get().lane.num_ctx == 16_384


def test_no_more_context_is_asked_for_than_the_model_takes(as_bob: Actor, agent: Agent, node: Node) -> None:
    OllamaModel.objects.update(context_length=8192)
    task = submit(actor=as_bob, agent=agent, specs=[replace(ONE, input=_long(20_000))]).tasks.get()
    assert task.lane.num_ctx == 8192
    assert task.message == "About 20,250 tokens are more than the 8,192 that the model takes: the beginning is left out"


def test_of_several_models_those_are_taken_that_hold_the_prompt(
    as_bob: Actor, make_agent: Callable[..., Agent], make_node: Callable[..., Node]
) -> None:
    make_node(models=("llama3.2:latest", "qwen3:8b"))
    OllamaModel.objects.filter(name="llama3.2:latest").update(context_length=8192)
    either = make_agent("either", models=["llama3.2", "qwen3:8b"])
    specs = [replace(ONE, model_name="", input=text) for text in ("Short.", _long(20_000))]
    tasks = submit(actor=as_bob, agent=either, specs=specs).tasks.order_by("position")
    assert [task.lane.models for task in tasks] == [["llama3.2:latest", "qwen3:8b"], ["qwen3:8b"]]


def test_one_bad_task_of_many_is_named_and_refuses_all(as_bob: Actor, agent: Agent, node: Node) -> None:
    with pytest.raises(InvalidInput) as refusal:
        submit(actor=as_bob, agent=agent, specs=[ONE, replace(ONE, input="")])
    assert refusal.value.message.startswith("tasks[1]: input is empty")
    assert refusal.value.detail == {"field": "input", "task": 1}
    assert not Task.objects.exists()


def test_none_and_too_many_are_refused(as_bob: Actor, agent: Agent, node: Node, settings: Any) -> None:
    settings.DROVER_MAX_TASKS_PER_REQUEST = 2
    for specs in ([], [ONE] * 3):
        with pytest.raises(InvalidInput, match="Send 1 to 2 tasks"):
            submit(actor=as_bob, agent=agent, specs=specs)


def test_a_viewer_submits_nothing(as_carol: Actor, agent: Agent, node: Node) -> None:
    with pytest.raises(NotAllowed):
        submit(actor=as_carol, agent=agent, specs=[ONE])


def test_the_bounds_on_unfinished_tasks_hold(
    as_bob: Actor, as_dave: Actor, agent: Agent, node: Node, settings: Any
) -> None:
    settings.DROVER_MAX_WAITING_PER_USER = 2
    settings.DROVER_MAX_WAITING = 3
    submit(actor=as_bob, agent=agent, specs=[ONE, ONE])
    with pytest.raises(TooManyWaiting, match="for bob") as refusal:
        submit(actor=as_bob, agent=agent, specs=[ONE])
    assert refusal.value.retry_after.total_seconds() > 0
    submit(actor=as_dave, agent=agent, specs=[ONE])
    with pytest.raises(TooManyWaiting, match="in all"):
        submit(actor=as_dave, agent=agent, specs=[ONE])
    Task.objects.update(status="completed")
    submit(actor=as_bob, agent=agent, specs=[ONE, ONE])


# Idempotency ----------------------------------------------------------------------------------------------------------


def test_the_same_key_answers_with_the_same_run(as_bob: Actor, agent: Agent, node: Node) -> None:
    first = submit(actor=as_bob, agent=agent, specs=[ONE], idempotency_key="k", request_hash="h")
    assert submit(actor=as_bob, agent=agent, specs=[ONE], idempotency_key="k", request_hash="h") == first
    assert Task.objects.count() == 1


def test_the_same_key_for_another_request_is_a_conflict(as_bob: Actor, agent: Agent, node: Node) -> None:
    submit(actor=as_bob, agent=agent, specs=[ONE], idempotency_key="k", request_hash="h")
    with pytest.raises(Conflict, match="different request"):
        submit(actor=as_bob, agent=agent, specs=[ONE], idempotency_key="k", request_hash="other")


def test_keys_of_two_people_are_two_keys(as_bob: Actor, as_dave: Actor, agent: Agent, node: Node) -> None:
    first = submit(actor=as_bob, agent=agent, specs=[ONE], idempotency_key="k", request_hash="h")
    assert submit(actor=as_dave, agent=agent, specs=[ONE], idempotency_key="k", request_hash="h") != first


def test_of_two_requests_with_one_key_at_the_same_time_one_makes_the_run(
    as_bob: Actor, agent: Agent, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one looked before the first had written, and meets the constraint."""
    from orchestration.services import submission

    look, looks = submission._earlier, []

    def looks_too_early(*args: Any) -> Run | None:
        looks.append(args)
        return None if len(looks) == 1 else look(*args)

    first = submit(actor=as_bob, agent=agent, specs=[ONE], idempotency_key="k", request_hash="h")
    monkeypatch.setattr(submission, "_earlier", looks_too_early)
    assert submit(actor=as_bob, agent=agent, specs=[ONE], idempotency_key="k", request_hash="h") == first
    assert Task.objects.count() == 1


# Announcing -----------------------------------------------------------------------------------------------------------


def _announced(run: Callable[[], Run], capture: Any) -> list[str]:
    with capture(execute=True):
        run()
    return [str(fields["k"]) for _, fields in events.connection().xrange(events.EVENTS)]


def test_a_few_tasks_are_announced_one_by_one_after_the_commit(
    as_bob: Actor, agent: Agent, node: Node, django_capture_on_commit_callbacks: Any
) -> None:
    kinds = _announced(lambda: submit(actor=as_bob, agent=agent, specs=[ONE, ONE]), django_capture_on_commit_callbacks)
    assert kinds == ["task", "task"]
    assert events.connection().llen(events.WAKE) == 1


def test_many_tasks_are_announced_together(
    as_bob: Actor, agent: Agent, node: Node, django_capture_on_commit_callbacks: Any
) -> None:
    kinds = _announced(lambda: submit(actor=as_bob, agent=agent, specs=[ONE] * 60), django_capture_on_commit_callbacks)
    assert kinds == ["tasks_added"]


def test_a_submission_without_redis_is_kept(
    as_bob: Actor, agent: Agent, node: Node, redis_server: Any, django_capture_on_commit_callbacks: Any
) -> None:
    redis_server.stop()
    with django_capture_on_commit_callbacks(execute=True):
        submit(actor=as_bob, agent=agent, specs=[ONE])
    assert Task.objects.get().status == "pending"


def test_a_model_outside_the_agents_list_is_refused_with_what_it_may_use(
    as_bob: Actor, agent: Agent, make_node: Callable[..., Node]
) -> None:
    make_node(models=("llama3.2:latest", "qwen3:8b"))
    with pytest.raises(Unprocessable, match=r"may not use qwen3:8b; it may use llama3.2:latest"):
        submit(actor=as_bob, agent=agent, specs=[replace(ONE, model_name="qwen3:8b")])
    assert not Task.objects.exists()
    run = submit(actor=as_bob, agent=agent, specs=[replace(ONE, model_name="LLAMA3.2")])
    assert run.tasks.get().model_name == "llama3.2:latest"


@pytest.mark.django_db(transaction=True)
def test_an_agent_that_is_deleted_meanwhile_is_not_found(as_bob: Actor, node: Node, agent: Agent) -> None:
    Agent.objects.get(pk=agent.pk).delete()
    with pytest.raises(NotFound, match="just been deleted"):
        submit(actor=as_bob, agent=agent, specs=[TaskSpec(type="generate", input="Say hello.")])
    assert not Run.objects.exists()

"""Workflows as services: versions, who may change them, and how a run of one goes from step to step."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestration.errors import Conflict, InvalidWorkflow, NotAllowed, NotFound, Unprocessable
from orchestration.models import Agent, AuditEntry, Run, Task, Workflow
from orchestration.permissions import Actor
from orchestration.policy.states import TaskStatus
from orchestration.services import reruns, steps, workflows
from orchestration.services.workflows import Asked

pytestmark = pytest.mark.usefixtures("redis_server", "node", "agent")


def step(name: str, text: str = "Do it.", **fields: Any) -> dict[str, Any]:
    return {"name": name, "input": text, **fields}


def definition(*listed: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "site", "agent": "writer", "steps": list(listed) or [step("plan")], **fields}


@pytest.fixture
def run(as_bob: Actor) -> Callable[..., Run]:
    def run_steps(*listed: dict[str, Any], inputs: dict[str, Any] | None = None, **fields: Any) -> Run:
        asked = Asked(inputs=inputs or {})
        return workflows.run_once(actor=as_bob, definition=definition(*listed, **fields), asked=asked)

    return run_steps


def of(run: Run, name: str) -> Task:
    return Task.objects.get(run=run, step=name)


def states(run: Run) -> dict[str, str]:
    return dict(Task.objects.filter(run=run).values_list("step", "status"))


def end(run: Run, name: str, output: str = "", status: TaskStatus = TaskStatus.COMPLETED) -> None:
    """A worker ends it, then the scheduler makes its pass."""
    task = of(run, name)
    Task.objects.transition(task.pk, TaskStatus.ASSIGNED)
    Task.objects.transition(task.pk, TaskStatus.RUNNING, started_at=timezone.now())
    assert Task.objects.transition(
        task.pk, status, output=output, ended_at=timezone.now(), error="no" * (status == "failed")
    )
    steps.promote(now=timezone.now())


def test_each_change_is_a_version_with_its_author_and_note(as_bob: Actor, as_alice: Actor) -> None:
    made = workflows.create(actor=as_bob, definition=definition(), note="first")
    changed = definition(step("plan", "Plan well."), description="About sites")
    workflows.update(actor=as_alice, workflow_id=made.pk, definition=changed, note="better", based_on=1)
    made.refresh_from_db()
    assert (made.latest, made.description, made.agent) == (2, "About sites", Agent.objects.get(name="writer"))
    rows = made.versions.values_list("number", "note", "author_name")
    assert list(rows) == [(2, "better", "alice"), (1, "first", "bob")]
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {"workflow.created", "workflow.changed"}


def test_the_same_again_makes_no_version(as_bob: Actor) -> None:
    made = workflows.create(actor=as_bob, definition=definition())
    assert workflows.update(actor=as_bob, workflow_id=made.pk, definition=definition()).latest == 1


def test_a_version_saved_meanwhile_is_not_overwritten(as_bob: Actor) -> None:
    made = workflows.create(actor=as_bob, definition=definition())
    workflows.update(actor=as_bob, workflow_id=made.pk, definition=definition(step("other")))
    with pytest.raises(Conflict, match="Version 2 has been saved meanwhile, by bob"):
        workflows.update(actor=as_bob, workflow_id=made.pk, definition=definition(step("mine")), based_on=1)


def test_an_earlier_version_comes_back_as_the_newest(as_bob: Actor) -> None:
    made = workflows.create(actor=as_bob, definition=definition())
    workflows.update(actor=as_bob, workflow_id=made.pk, definition=definition(step("other")))
    restored = workflows.restore(actor=as_bob, workflow_id=made.pk, number=1)
    assert restored.latest == 3
    assert restored.versions.get(number=3).definition == made.versions.get(number=1).definition
    with pytest.raises(NotFound, match="no version 9"):
        workflows.restore(actor=as_bob, workflow_id=made.pk, number=9)


def test_only_its_owner_or_a_maintainer_changes_a_workflow(
    as_bob: Actor, as_carol: Actor, as_dave: Actor, as_alice: Actor
) -> None:
    with pytest.raises(NotAllowed):
        workflows.create(actor=as_carol, definition=definition())
    made = workflows.create(actor=as_bob, definition=definition())
    with pytest.raises(NotAllowed):
        workflows.update(actor=as_dave, workflow_id=made.pk, definition=definition(step("x")))
    with pytest.raises(NotAllowed):
        workflows.delete(actor=as_dave, workflow_id=made.pk)
    with pytest.raises(NotAllowed):
        workflows.run_saved(actor=as_carol, workflow_id=made.pk, asked=Asked())
    assert workflows.run_saved(actor=as_dave, workflow_id=made.pk, asked=Asked()).owner_id == as_dave.user_id
    workflows.delete(actor=as_alice, workflow_id=made.pk)
    assert not Workflow.objects.exists()
    assert Run.objects.get().spec["name"] == "site"


def test_a_name_is_given_once(as_bob: Actor) -> None:
    workflows.create(actor=as_bob, definition=definition())
    with pytest.raises(Conflict):
        workflows.create(actor=as_bob, definition=definition())


def test_what_a_task_may_not_have_is_refused_with_the_step_when_it_is_saved(as_bob: Actor) -> None:
    bad = definition(
        step("a", type="generat"),
        step("b", agent="riter"),
        step("c", parameters={"temperature": "hot"}),
        agent="nobody",
    )
    with pytest.raises(InvalidWorkflow) as caught:
        workflows.create(actor=as_bob, definition=bad)
    found = [(each.step, each.field) for each in caught.value.problems]
    assert [name for name, _ in found] == ["", "a", "b", "c"]
    assert "Did you mean writer?" in caught.value.message


def test_a_missing_reference_is_refused_when_it_is_saved(as_bob: Actor) -> None:
    with pytest.raises(InvalidWorkflow, match=r"Step “code”: \{\{plann\}\} is no step"):
        workflows.create(actor=as_bob, definition=definition(step("plan"), step("code", "{{plann}}")))


def test_answers_go_from_step_to_step(run: Callable[..., Run]) -> None:
    made = run(step("plan", "Plan {{input.topic}}"), step("code", "Code {{plan}}"), inputs={"topic": "cats"})
    assert of(made, "plan").input == "Plan cats"
    assert states(made) == {"plan": "pending", "code": "blocked"}
    end(made, "plan", "the plan")
    assert of(made, "code").input == "Code the plan"
    assert states(made)["code"] == "pending"


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(answer=st.text(st.sampled_from("{}plan step1.input\\ x"), max_size=40).map(str.strip))
def test_an_answer_is_passed_on_as_it_is(run: Callable[..., Run], answer: str) -> None:
    said = f"{answer}{{{{plan}}}} {{{{step1}}}} {{{{input.x}}}} \\{{{{x}}}}"
    made = run(step("plan"), step("code", "Code {{plan}} {{input.x}}"), inputs={"x": "{{plan}}"})
    end(made, "plan", said)
    assert of(made, "code").input == f"Code {said} {{{{plan}}}}"


def test_parallel_branches_are_ready_together(run: Callable[..., Run]) -> None:
    made = run(step("a"), step("b", "{{a}}"), step("c", "{{a}}"), step("d", "{{b}} {{c}}"))
    end(made, "a")
    assert states(made) == {"a": "completed", "b": "pending", "c": "pending", "d": "blocked"}
    end(made, "b")
    end(made, "c")
    assert states(made)["d"] == "pending"


def test_a_failed_step_ends_only_what_needs_it(run: Callable[..., Run]) -> None:
    made = run(
        step("a"), step("b", "{{a}}"), step("c", "{{a}}"), step("d", "{{b}}"), step("e", "{{c}}"), step("f", after="b")
    )
    end(made, "a")
    end(made, "b", status=TaskStatus.FAILED)
    assert states(made) | {"c": ""} == {
        **{"a": "completed", "b": "failed", "c": "", "d": "cancelled"},
        **{"e": "blocked", "f": "pending"},
    }


def test_a_condition_over_inputs_alone_is_decided_at_once(run: Callable[..., Run]) -> None:
    steps_ = (step("maybe", condition='{{input.kind}} == "long"'), step("then", "So: {{maybe}}!"))
    skipped = run(*steps_, inputs={"kind": "short"})
    assert of(skipped, "maybe").skipped_because == 'Not so: {{input.kind}} == "long"'
    steps.promote(now=timezone.now())
    assert of(skipped, "then").input == "So: !"
    assert states(run(*steps_, inputs={"kind": "long"}))["maybe"] == "pending"


def test_a_list_given_as_input_is_fanned_out_at_once(run: Callable[..., Run]) -> None:
    made = run(
        step("each", "{{index}}: {{item}}", for_each="{{input.list}}"),
        step("sum", "{{steps.each.outputs}}"),
        inputs={"list": ["x", "y"]},
    )
    assert [task.input for task in Task.objects.filter(run=made, parent=of(made, "each")).order_by("pk")] == [
        "1: x",
        "2: y",
    ]
    end(made, "each[1]", "one")
    end(made, "each[2]", "two")
    steps.promote(now=timezone.now())
    assert of(made, "sum").input == '["one", "two"]'


def test_a_step_has_its_own_agent_model_and_system_prompt(
    run: Callable[..., Run], make_agent: Callable[..., Agent]
) -> None:
    critic = make_agent("critic", system_prompt="You are hard to please.")
    made = run(step("plan"), step("judge", agent="critic"), step("other", system="Be {{plan}}.", model_name="llama3.2"))
    assert of(made, "judge").agent == critic
    assert of(made, "judge").system_prompt == "You are hard to please."
    end(made, "plan", "kind")
    end(made, "judge")
    assert of(made, "other").system_prompt == "Be kind."
    assert of(made, "other").model_name == "llama3.2:latest"


def test_inputs_are_asked_for_and_known(as_bob: Actor) -> None:
    inputs = {"topic": {"required": True}, "place": {"default": "here"}}
    made = workflows.create(
        actor=as_bob, definition=definition(step("a", "{{input.topic}} {{input.place}}"), inputs=inputs)
    )
    with pytest.raises(Unprocessable, match="Give a value for topic"):
        workflows.run_saved(actor=as_bob, workflow_id=made.pk, asked=Asked(inputs={"topic": " "}))
    with pytest.raises(Unprocessable, match="Did you mean topic"):
        workflows.run_saved(actor=as_bob, workflow_id=made.pk, asked=Asked(inputs={"topik": "x"}))
    run = workflows.run_saved(actor=as_bob, workflow_id=made.pk, asked=Asked(inputs={"topic": 7}))
    assert of(run, "a").input == "7 here"
    assert run.workflow_version == made.versions.get()


def test_any_version_can_be_run(as_bob: Actor) -> None:
    made = workflows.create(actor=as_bob, definition=definition(step("a", "Old")))
    workflows.update(actor=as_bob, workflow_id=made.pk, definition=definition(step("a", "New")))
    assert of(workflows.run_saved(actor=as_bob, workflow_id=made.pk, number=1, asked=Asked()), "a").input == "Old"
    assert of(workflows.run_saved(actor=as_bob, workflow_id=made.pk, asked=Asked()), "a").input == "New"


def test_more_steps_than_the_run_may_have_are_refused(run: Callable[..., Run]) -> None:
    with pytest.raises(Unprocessable, match="2 steps already, 1 may be"):
        run(step("a"), step("b"), limits={"max_steps": 1})


def test_a_run_again_from_its_first_step_fills_in_the_inputs_again(run: Callable[..., Run], as_bob: Actor) -> None:
    made = run(step("a", "Say {{input.x}}"), step("b", "{{a}}"), inputs={"x": "hi"})
    end(made, "a", "hi!")
    again = reruns.rerun_from(actor=as_bob, run_id=made.pk, step="a")
    assert of(again, "a").input == "Say hi"
    assert states(again) == {"a": "pending", "b": "blocked"}

"""Presets: built-in ones that stay, others that people add; none goes while something names it."""

from typing import Any

import pytest

from orchestration.errors import Conflict, InvalidInput, NotAllowed, NotFound
from orchestration.models import Agent, AuditEntry, FleetDefaults, ModelConfig, Preset, Workflow, WorkflowVersion
from orchestration.permissions import Actor
from orchestration.policy.presets import BUILT_IN
from orchestration.services import presets

pytestmark = pytest.mark.django_db


def test_a_preset_is_added_by_an_operator_and_changed_by_a_maintainer(as_bob: Actor, as_alice: Actor) -> None:
    made = presets.create(actor=as_bob, name=" poems ", options={"temperature": 1, "stop": "END"}, think=False)
    assert (made.name, made.options, made.built_in) == ("poems", {"temperature": 1.0, "stop": ["END"]}, False)
    with pytest.raises(NotAllowed):
        presets.update(actor=as_bob, preset_id=made.pk, description="Mine")
    presets.update(actor=as_alice, preset_id=made.pk, description="For verse")
    changes = AuditEntry.objects.get(action="preset.changed").detail["changes"]
    assert changes == {"description": ["", "For verse"]}


def test_a_viewer_adds_none(as_carol: Actor) -> None:
    with pytest.raises(NotAllowed):
        presets.create(actor=as_carol, name="mine")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ""}, {"name"}),
        ({"name": "12"}, {"name"}),
        ({"options": {"temperature": 99, "num_gpu": 1}, "think": "hard"}, {"temperature", "num_gpu", "think"}),
        ({"options": []}, {"options"}),
        ({"name": "x" * 61, "options": {"top_q": 1}}, {"name", "top_q"}),
    ],
)
def test_everything_that_is_wrong_is_named(fields: dict[str, Any], named: set[str], as_alice: Actor) -> None:
    with pytest.raises(InvalidInput) as refusal:
        presets.create(actor=as_alice, **{"name": "mine", **fields})
    assert set(refusal.value.detail["fields"]) == named
    assert not Preset.objects.exists()


def test_a_name_is_given_once(as_alice: Actor) -> None:
    presets.create(actor=as_alice, name="mine")
    with pytest.raises(Conflict):
        presets.create(actor=as_alice, name="mine")


def test_the_built_in_ones_are_written_down_once_and_keep_what_people_made_of_them(as_alice: Actor) -> None:
    presets.ensure_built_in()
    fast = Preset.objects.get(name="fast")
    assert set(Preset.objects.filter(built_in=True).values_list("name", flat=True)) == set(BUILT_IN)
    presets.update(actor=as_alice, preset_id=fast.pk, options={"num_predict": 64})
    presets.ensure_built_in()
    fast.refresh_from_db()
    assert fast.options == {"num_predict": 64}
    presets.restore(actor=as_alice, preset_id=fast.pk)
    fast.refresh_from_db()
    assert (fast.options, fast.think) == (BUILT_IN["fast"].options, False)


def test_the_built_in_ones_keep_their_names_and_stay(as_alice: Actor) -> None:
    presets.ensure_built_in()
    fast = Preset.objects.get(name="fast")
    with pytest.raises(Conflict, match="keeps its name"):
        presets.update(actor=as_alice, preset_id=fast.pk, name="quick")
    with pytest.raises(Conflict, match="stays"):
        presets.delete(actor=as_alice, preset_id=fast.pk)


def test_one_that_is_used_says_by_whom_before_it_goes(as_alice: Actor, agent: Agent) -> None:
    mine = presets.create(actor=as_alice, name="mine")
    Agent.objects.update(preset="mine")
    ModelConfig.objects.create(model_name="llama3.2:latest", preset="mine")
    FleetDefaults.objects.create(pk=1, preset="mine")
    flow = Workflow.objects.create(name="digest", latest=2)
    WorkflowVersion.objects.create(workflow=flow, number=1, definition={"steps": [{"name": "a"}]})
    WorkflowVersion.objects.create(workflow=flow, number=2, definition={"steps": [{"name": "a", "preset": "mine"}]})
    with pytest.raises(Conflict) as refusal:
        presets.delete(actor=as_alice, preset_id=mine.pk)
    named = [user["words"] for user in refusal.value.detail["used_by"]]
    assert named == ["the fleet's defaults", "model llama3.2:latest", "agent writer", "workflow digest"]
    assert all(words in refusal.value.message for words in named)
    Agent.objects.update(preset="")
    ModelConfig.objects.update(preset="")
    FleetDefaults.objects.update(preset="")
    flow.delete()
    presets.delete(actor=as_alice, preset_id=mine.pk)
    assert not Preset.objects.exists()


def test_a_new_name_is_the_name_everywhere(as_alice: Actor, agent: Agent) -> None:
    mine = presets.create(actor=as_alice, name="mine")
    Agent.objects.update(preset="mine")
    ModelConfig.objects.create(model_name="llama3.2:latest", preset="mine")
    presets.update(actor=as_alice, preset_id=mine.pk, name="ours")
    agent.refresh_from_db()
    assert (agent.preset, ModelConfig.objects.get().preset) == ("ours", "ours")


def test_one_that_is_not_there_is_not_found(as_alice: Actor) -> None:
    for act in (presets.update, presets.delete, presets.restore):
        with pytest.raises(NotFound):
            act(actor=as_alice, preset_id=9)


def test_a_preset_that_a_workflow_names_keeps_its_name(as_alice: Actor) -> None:
    made = presets.create(actor=as_alice, name="mine")
    flow = Workflow.objects.create(name="digest", latest=1)
    WorkflowVersion.objects.create(workflow=flow, number=1, definition={"steps": [{"name": "a", "preset": "mine"}]})
    with pytest.raises(Conflict, match=r"mine is named by workflow digest: change these first"):
        presets.update(actor=as_alice, preset_id=made.pk, name="ours")
    assert presets.update(actor=as_alice, preset_id=made.pk, description="For verse").name == "mine"

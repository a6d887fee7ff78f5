"""The configuration out and in: the same comes back, and what is wrong changes nothing."""

import json
from typing import Any

import pytest

from orchestration.errors import Conflict, InvalidConfig, InvalidInput, NotAllowed, Unprocessable
from orchestration.models import Agent, AuditEntry, ModelConfig, Node, Preset, RetentionRule, Task, Workflow
from orchestration.permissions import Actor, Role
from orchestration.policy.transfer import parse, written
from orchestration.services import (
    agents,
    defaults,
    model_configs,
    nodes,
    presets,
    retention,
    tasks,
    transfer,
    workflows,
)
from orchestration.services.specs import TaskSpec
from orchestration.services.transfer import Mode

MARTHA = Actor(user_id=None, name="martha", role=Role.MAINTAINER)
DEFINITION = {
    "name": "review",
    "agent": "writer",
    "inputs": {"topic": {"required": True}},
    "steps": [
        {"name": "plan", "type": "generate", "input": "Plan {{input.topic}}.\nIn steps."},
        {"name": "write", "type": "generate", "input": "Write {{plan}}", "parameters": {"temperature": 0.5}},
    ],
}


@pytest.fixture
def team(as_alice: Actor) -> Actor:
    """A configuration with something in every section."""
    presets.ensure_built_in()
    presets.create(actor=as_alice, name="terse", options={"num_predict": 50}, think=False)
    presets.update(actor=as_alice, preset_id=Preset.objects.get(name="fast").pk, description="Our own words.")
    defaults.update(actor=as_alice, preset="terse", default_model="llama3.2", options={"seed": 1}, timeout_seconds=90)
    nodes.create(
        actor=as_alice, name="gpu-a", base_url="http://gpu-a.test:11434", labels=["big"], vram_bytes=24 * 10**9
    )
    nodes.create(actor=as_alice, name="gpu-b", base_url="https://gpu-b.test", headers={"X-Team": "herd-secret"})
    model_configs.create(
        actor=as_alice, model_name="llama3.2", options={"top_p": 0.5, "num_ctx": 8192}, labels=["chat"]
    )
    agents.ensure_default()
    schema = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "number"}}}
    agents.create(
        actor=as_alice,
        name="writer",
        system_prompt="Write plainly.\r\nNo\x85lists.\u2028",
        models=["llama3.2"],
        options={"temperature": 0.3},
        answer_schema=schema,
        timeout_seconds=60,
        preset="terse",
        think="low",
    )
    workflows.create(actor=as_alice, definition=DEFINITION)
    retention.add_rule(actor=as_alice, agent=None, text_days=30)
    retention.add_rule(actor=as_alice, agent=Agent.objects.get(name="writer"), text_days=7, task_days=90)
    return as_alice


def text_of(actor: Actor, *, yaml: bool = False) -> str:
    return written(transfer.export(actor=actor), yaml=yaml)


def change_everything(actor: Actor) -> None:
    """No object is as it was: each is changed, removed, or joined by others."""
    defaults.update(actor=actor, preset="", default_model="", options={}, timeout_seconds=None, think="high")
    agents.update(actor=actor, agent_id=Agent.objects.get(name="writer").pk, preset="fast")
    presets.delete(actor=actor, preset_id=Preset.objects.get(name="terse").pk)
    for preset in Preset.objects.all():
        presets.update(actor=actor, preset_id=preset.pk, description="x", options={"seed": 7}, think=True)
    presets.create(actor=actor, name="new")
    agents.create(actor=actor, name="of new", preset="new")
    first, second = Node.objects.order_by("name")
    nodes.update(actor=actor, node_id=first.pk, name="gpu-x", labels=[], slots_per_model=9, enabled=False)
    nodes.update(actor=actor, node_id=second.pk, verify_tls=False, vram_bytes=5)
    nodes.create(actor=actor, name="gpu-c", base_url="http://gpu-c.test")
    config = ModelConfig.objects.get()
    model_configs.update(actor=actor, config_id=config.pk, enabled=False, options={"seed": 1}, labels=[], priority=-3)
    model_configs.create(actor=actor, model_name="qwen3")
    writer = Agent.objects.get(name="writer")
    agents.update(
        actor=actor, agent_id=writer.pk, system_prompt=None, models=[], options={}, answer_schema=None, think=True
    )
    agents.update(actor=actor, agent_id=Agent.objects.get(name="default").pk, max_concurrent_tasks=1, description="")
    agents.create(actor=actor, name="other")
    flow = Workflow.objects.get()
    steps = [{"name": "only", "type": "generate", "input": "x"}]
    workflows.update(actor=actor, workflow_id=flow.pk, definition={"name": "review", "steps": steps})
    workflows.create(actor=actor, definition={"name": "second", "steps": steps})
    others, of_writer = RetentionRule.objects.order_by("pk")
    retention.change_rule(actor=actor, rule_id=of_writer.pk, text_days=None, keep_collected=False)
    retention.remove_rule(actor=actor, rule_id=others.pk)
    retention.add_rule(actor=actor, agent=Agent.objects.get(name="other"), task_days=1)


@pytest.mark.parametrize("yaml", [True, False])
def test_everything_changed_and_imported_is_as_it_was_byte_for_byte(yaml: bool, team: Actor) -> None:
    before = text_of(team, yaml=yaml)
    change_everything(team)
    assert text_of(team, yaml=yaml) != before
    outcome = transfer.import_(actor=team, data=parse(before.encode(), yaml=yaml), mode=Mode.REPLACE)
    assert outcome.applied
    assert text_of(team, yaml=yaml) == before


def test_it_comes_back_from_nothing_as_well(team: Actor) -> None:
    before = text_of(team)
    transfer.reset(actor=team, names=[shape.name for shape in transfer.shapes()])
    assert not Node.objects.exists()
    assert list(Agent.objects.values_list("name", "max_concurrent_tasks")) == [("default", 100)]
    assert not Workflow.objects.exists()
    assert not ModelConfig.objects.exists()
    transfer.import_(actor=team, data=json.loads(before))
    assert text_of(team) == before


def test_the_same_once_more_changes_nothing_and_leaves_no_trace(team: Actor) -> None:
    entries = AuditEntry.objects.count()
    outcome = transfer.import_(actor=team, data=transfer.export(actor=team), mode=Mode.REPLACE)
    assert (outcome.changes, outcome.unchanged) == ([], 15)
    assert AuditEntry.objects.count() == entries


def test_one_bad_field_changes_nothing_and_every_problem_is_named(team: Actor) -> None:
    document = transfer.export(actor=team)
    change_everything(team)
    before, entries = text_of(team), AuditEntry.objects.count()
    document["agents"][1] |= {
        "timeout_seconds": 0,
        "options": {"temperature": 99, "top_k": "x"},
        "models": [" "],
        "kind": "odd",
    }
    document["nodes"][0] |= {"base_url": "ftp://gpu-a", "slots_per_model": 0, "labels": [1]}
    document["nodes"].append({"name": "7", "vram_bytes": "much"})
    document["model_configs"].append({"model_name": "qwen3:8b", "retry_on": ["odd"], "priority": 10**20})
    document["workflows"][0]["steps"][1]["type"] = "dance"
    document["presets"].append({"name": "p", "options": {"num_gpu": 1, "top_k": -1, "what": 2}, "think": "much"})
    document["fleet_defaults"] |= {"preset": "nothing", "keep_alive_seconds": -1, "options": {"seed": "x"}}
    document["retention"].append({"agent": "nobody", "text_days": 0})
    with pytest.raises(InvalidConfig) as refusal:
        transfer.import_(actor=team, data=document, mode=Mode.REPLACE)
    assert {each["path"] for each in refusal.value.detail["problems"]} == {
        "agents[1].timeout_seconds",
        "agents[1].options.temperature",
        "agents[1].options.top_k",
        "agents[1].models",
        "agents[1].kind",
        "nodes[0].base_url",
        "nodes[0].slots_per_model",
        "nodes[0].labels",
        "nodes[2].vram_bytes",
        "nodes[2].name",
        "nodes[2].base_url",
        "model_configs[1].retry_on",
        "model_configs[1].priority",
        "workflows[0].steps[1].type",
        "presets[6].options.num_gpu",
        "presets[6].options.top_k",
        "presets[6].options.what",
        "presets[6].think",
        "fleet_defaults.preset",
        "fleet_defaults.keep_alive_seconds",
        "fleet_defaults.options.seed",
        "retention[2].agent",
        "retention[2].text_days",
    }
    assert (text_of(team), AuditEntry.objects.count()) == (before, entries)


def test_who_names_an_object_that_is_wrong_is_not_blamed_for_it(team: Actor) -> None:
    document = {
        "drover_config": 1,
        "agents": [{"name": "planner", "timeout_seconds": -1}],
        "workflows": [{"name": "w", "agent": "planner", "steps": [{"name": "a", "type": "generate", "input": "x"}]}],
    }
    with pytest.raises(InvalidConfig) as refusal:
        transfer.import_(actor=team, data=document)
    assert [each["path"] for each in refusal.value.detail["problems"]] == ["agents[0].timeout_seconds"]


def test_a_trial_run_tells_exactly_what_the_run_does(team: Actor) -> None:
    document = transfer.export(actor=team)
    change_everything(team)
    before = text_of(team)
    trial = transfer.import_(actor=team, data=document, mode=Mode.REPLACE, dry_run=True)
    assert (trial.applied, text_of(team)) == (False, before)
    done = transfer.import_(actor=team, data=document, mode=Mode.REPLACE, based_on=trial.based_on)
    assert (done.applied, done.changes, done.unchanged) == (True, trial.changes, trial.unchanged)
    told = {(each.section, each.name): each for each in done.changes}
    assert told["agents", "other"].manner == "removed"
    assert told["nodes", "gpu-a"].manner == "added"
    fields = {each.field: (each.before, each.after) for each in told["model_configs", "llama3.2:latest"].fields}
    assert fields["options.seed"] == (1, None)
    assert fields["enabled"] == (False, True)


def test_what_was_changed_since_the_trial_run_is_not_overwritten(team: Actor) -> None:
    document = transfer.export(actor=team)
    change_everything(team)
    trial = transfer.import_(actor=team, data=document, mode=Mode.REPLACE, dry_run=True)
    agents.create(actor=team, name="meanwhile")
    with pytest.raises(Conflict):
        transfer.import_(actor=team, data=document, mode=Mode.REPLACE, based_on=trial.based_on)


def test_merging_adds_and_changes_and_leaves_the_rest(team: Actor) -> None:
    document = {"drover_config": 1, "agents": [{"name": "writer", "max_tries": 2}, {"name": "new", "models": ["a"]}]}
    outcome = transfer.import_(actor=MARTHA, data=document)
    writer = Agent.objects.get(name="writer")
    assert (writer.max_tries, writer.models, Agent.objects.count()) == (2, ["llama3.2"], 3)
    assert [(each.name, each.manner.value) for each in outcome.changes] == [("new", "added"), ("writer", "changed")]


def test_replacing_takes_what_is_not_said_back_to_its_default(team: Actor) -> None:
    document = {"drover_config": 1, "agents": [{"name": "writer", "max_tries": 2}]}
    transfer.import_(actor=team, data=document, mode=Mode.REPLACE)
    writer = Agent.objects.get(name="writer")
    assert (writer.max_tries, writer.models, writer.system_prompt) == (2, [], None)
    assert set(Agent.objects.values_list("name", flat=True)) == {"default", "writer"}
    assert Node.objects.count() == 2


def test_an_address_may_move_from_one_node_to_another(team: Actor) -> None:
    first, second = transfer.export(actor=team)["nodes"]
    moved = [{**first, "base_url": second["base_url"]}, {**second, "base_url": "http://gpu-z.test"}]
    transfer.import_(actor=team, data={"drover_config": 1, "nodes": moved})
    assert [node["base_url"] for node in transfer.export(actor=team)["nodes"]] == [
        "https://gpu-b.test",
        "http://gpu-z.test",
    ]


def test_an_address_that_somebody_keeps_is_a_problem(team: Actor) -> None:
    with pytest.raises(InvalidConfig, match=r"nodes\[0\]\.base_url: "):
        transfer.import_(
            actor=team, data={"drover_config": 1, "nodes": [{"name": "gpu-n", "base_url": "http://gpu-a.test:11434"}]}
        )


def test_an_agent_with_unfinished_tasks_stays_and_so_does_all_else(team: Actor) -> None:
    spec = TaskSpec(type="generate", input="Say hello.")
    tasks.submit(actor=team, agent=Agent.objects.get(name="writer"), specs=[spec], allow_missing_models=True)
    before = text_of(team)
    document = {"drover_config": 1, "agents": [{"name": "default", "max_tries": 1}]}
    with pytest.raises(InvalidConfig, match=r"agents: writer cannot go\. writer has 1 unfinished tasks"):
        transfer.import_(actor=team, data=document, mode=Mode.REPLACE)
    assert (text_of(team), Task.objects.count()) == (before, 1)


def test_ids_of_agents_become_their_names(team: Actor) -> None:
    writer = Agent.objects.get(name="writer")
    flow = Workflow.objects.get()
    steps = [{"name": "a", "type": "generate", "input": "x", "agent": str(writer.pk)}]
    workflows.update(actor=team, workflow_id=flow.pk, definition={"name": "review", "agent": writer.pk, "steps": steps})
    (found,) = transfer.export(actor=team, names=["workflows"])["workflows"]
    assert (found["agent"], found["steps"][0]["agent"]) == ("writer", "writer")
    assert transfer.import_(actor=team, data={"drover_config": 1, "workflows": [found]}).changes == []


def test_sections_are_exported_alone(team: Actor) -> None:
    assert list(transfer.export(actor=team, names=["agents"])) == ["drover_config", "agents"]
    with pytest.raises(InvalidInput):
        transfer.export(actor=team, names=["users"])


def test_nothing_secret_is_exported(team: Actor) -> None:
    for yaml in (True, False):
        assert "herd-secret" not in text_of(team, yaml=yaml)
        assert "sealed" not in text_of(team, yaml=yaml)


def test_credentials_come_back_with_the_passphrase(team: Actor) -> None:
    document = json.loads(json.dumps(transfer.export_with_secrets(actor=team, passphrase="correct horse")))
    assert "herd-secret" not in json.dumps(document)
    transfer.reset(actor=team, names=["nodes"])
    outcome = transfer.import_(actor=team, data=document, passphrase="correct horse")
    assert outcome.restored == ["gpu-b"]
    again = transfer.export_with_secrets(actor=team, passphrase="correct horse")
    opened = transfer.transfer_secrets.opened(again["secrets"], "correct horse")
    assert {name: held.headers for name, held in opened.items()} == {"gpu-a": {}, "gpu-b": {"x-team": "herd-secret"}}
    assert not [entry for entry in AuditEntry.objects.all() if "herd-secret" in json.dumps(entry.detail)]
    assert AuditEntry.objects.filter(action="config.secrets_exported").count() == 2


def test_an_address_that_was_changed_in_the_document_is_not_sent_the_credentials(team: Actor) -> None:
    document = json.loads(json.dumps(transfer.export_with_secrets(actor=team, passphrase="correct horse")))
    document["nodes"][1]["base_url"] = "https://mallory.test"
    outcome = transfer.import_(actor=team, data=document, passphrase="correct horse")
    assert outcome.restored == []
    assert "gpu-b has another address than https://gpu-b.test" in outcome.warnings[0]
    assert not transfer.transfer_secrets.holders()


def test_a_wrong_passphrase_changes_nothing(team: Actor) -> None:
    document = transfer.export_with_secrets(actor=team, passphrase="correct horse")
    change_everything(team)
    before = text_of(team)
    with pytest.raises(InvalidConfig, match="does not open them"):
        transfer.import_(actor=team, data=document, passphrase="wrong horse")
    assert text_of(team) == before


def test_without_the_passphrase_the_rest_is_imported_and_that_is_said(team: Actor) -> None:
    document = transfer.export_with_secrets(actor=team, passphrase="correct horse")
    transfer.reset(actor=team, names=["nodes"])
    outcome = transfer.import_(actor=team, data=document)
    assert outcome.warnings == [transfer.transfer_secrets.WITHOUT_PASSPHRASE]
    assert Node.objects.filter(sealed_headers="").count() == 2


@pytest.mark.parametrize(
    "change", [{"n": 2**30}, {"salt": 3}, {"sealed": "x"}, {"n": True}, {"n": 3}, {"sealed": None}]
)
def test_sealed_credentials_that_were_tampered_with_are_a_problem(change: dict[str, Any], team: Actor) -> None:
    document = transfer.export_with_secrets(actor=team, passphrase="correct horse")
    document["secrets"] |= change
    with pytest.raises(InvalidConfig, match="secrets: "):
        transfer.import_(actor=team, data=document, passphrase="correct horse")


def test_what_a_changed_key_does_not_open_is_not_exported_and_can_be_replaced(team: Actor, settings: Any) -> None:
    document = transfer.export_with_secrets(actor=team, passphrase="correct horse")
    settings.SECRET_KEY = "another key, long enough"
    with pytest.raises(Unprocessable, match="gpu-b: "):
        transfer.export_with_secrets(actor=team, passphrase="correct horse")
    assert transfer.import_(actor=team, data=document, passphrase="correct horse").restored == ["gpu-b"]
    assert transfer.export_with_secrets(actor=team, passphrase="correct horse")


def test_a_passphrase_has_some_length(team: Actor) -> None:
    with pytest.raises(InvalidInput, match="at least 8"):
        transfer.export_with_secrets(actor=team, passphrase="short")


def test_a_node_that_moved_and_lost_its_credentials_is_named(team: Actor) -> None:
    outcome = transfer.import_(
        actor=team, data={"drover_config": 1, "nodes": [{"name": "gpu-b", "base_url": "http://elsewhere.test"}]}
    )
    assert outcome.warnings == ["gpu-b has a new address and is not sent its credentials any more; give them again."]


def test_each_object_is_audited_and_the_import_as_a_whole(team: Actor) -> None:
    document = {"drover_config": 1, "agents": [{"name": "new"}], "nodes": [{"name": "gpu-a", "enabled": False}]}
    transfer.import_(actor=MARTHA, data=document)
    entries = AuditEntry.objects.filter(actor_name="martha").order_by("pk")
    assert [entry.action for entry in entries] == ["node.changed", "agent.created", "config.imported"]
    assert entries[2].detail == {
        "mode": "merge",
        "added": 1,
        "changed": 1,
        "removed": 0,
        "changes": ["nodes: gpu-a changed", "agents: new added"],
    }


def test_a_reset_is_tried_first_and_touches_only_what_is_named(team: Actor) -> None:
    with pytest.raises(InvalidConfig, match=r"presets: terse cannot go\. terse is used by"):
        transfer.reset(actor=team, dry_run=True)
    agents.update(actor=team, agent_id=Agent.objects.get(name="writer").pk, preset="")
    trial = transfer.reset(actor=team, dry_run=True)
    told = [(each.section, each.name, each.manner.value) for each in trial.changes]
    assert told == [
        ("presets", "fast", "changed"),
        ("presets", "terse", "removed"),
        ("fleet_defaults", "the fleet", "changed"),
        ("model_configs", "llama3.2:latest", "removed"),
        ("retention", "all others", "removed"),
        ("retention", "writer", "removed"),
    ]
    assert ModelConfig.objects.exists()
    transfer.reset(actor=team, based_on=trial.based_on)
    assert not ModelConfig.objects.exists()
    assert Node.objects.count() == 2
    assert AuditEntry.objects.filter(action="config.reset").count() == 1


def test_who_may_do_what(team: Actor, as_bob: Actor, as_carol: Actor) -> None:
    document = transfer.export(actor=as_carol)
    for refused in (
        lambda: transfer.import_(actor=as_bob, data=document),
        lambda: transfer.import_(actor=as_bob, data=document, dry_run=True),
        lambda: transfer.import_(actor=MARTHA, data=document, mode=Mode.REPLACE),
        lambda: transfer.reset(actor=MARTHA),
        lambda: transfer.export_with_secrets(actor=MARTHA, passphrase="correct horse"),
    ):
        with pytest.raises(NotAllowed):
            refused()
    assert transfer.import_(actor=MARTHA, data=document).applied

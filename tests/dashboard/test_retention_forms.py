"""Forms of retention: days or nothing, whose rule it is, and what a rule looks like before it is changed."""

import pytest

from dashboard.retention_forms import OTHERS, NewRuleForm, RuleForm, filled
from orchestration.errors import InvalidInput
from orchestration.models import Agent, RetentionRule
from orchestration.payloads.retention import rule as payload
from orchestration.policy.retention import LONGEST_DAYS

AGENTS = [(1, "poet"), (2, "writer")]


def rule(pk, agent=None, **fields):
    of = Agent(pk=agent, name=dict(AGENTS)[agent]) if agent else None
    return payload(RetentionRule(pk=pk, agent=of, updated_at="2026-11-20T12:00:00Z", **fields))


@pytest.fixture(autouse=True)
def _stamped(monkeypatch):
    """Rows that were never saved have no moment."""
    monkeypatch.setattr("orchestration.payloads.retention.stamp", str)


def choices(*rules):
    return NewRuleForm(agents=AGENTS, rules=rules).fields["agent"].choices


def test_nothing_means_for_good():
    assert RuleForm({}).values() == {"text_days": None, "task_days": None, "keep_collected": False}


def test_days_are_numbers_and_a_box_is_ticked_or_not():
    sent = {"text_days": " 30 ", "task_days": str(LONGEST_DAYS), "keep_collected": "on"}
    assert RuleForm(sent).values() == {"text_days": 30, "task_days": LONGEST_DAYS, "keep_collected": True}


@pytest.mark.parametrize("name", ["text_days", "task_days"])
@pytest.mark.parametrize("text", ["0", "-1", str(LONGEST_DAYS + 1), "1.5", "ten", "9" * 400])
def test_days_that_make_no_sense_are_refused_with_their_field(name, text):
    with pytest.raises(InvalidInput, match=str(RuleForm.base_fields[name].label)):
        RuleForm({name: text}).values()


def test_every_problem_is_told_at_once():
    with pytest.raises(InvalidInput, match=r"Texts for days: .+ Whole tasks for days: .+"):
        RuleForm({"text_days": "x", "task_days": "0"}).values()


def test_a_rule_can_be_made_for_whoever_has_none():
    assert choices() == [(OTHERS, "all agents"), ("1", "poet"), ("2", "writer")]
    assert choices(rule(1, agent=1)) == [(OTHERS, "all other agents"), ("2", "writer")]
    assert choices(rule(1)) == [("1", "poet"), ("2", "writer")]
    assert choices(rule(1), rule(2, agent=1), rule(3, agent=2)) == []


@pytest.mark.parametrize(("chosen", "agent_id"), [(OTHERS, None), ("2", 2)])
def test_the_choice_is_an_agent_or_all_others(chosen, agent_id):
    form = NewRuleForm({"agent": chosen, "text_days": "7"}, agents=AGENTS, rules=[])
    assert form.values() == {"text_days": 7, "task_days": None, "keep_collected": False}
    assert form.agent_id == agent_id


@pytest.mark.parametrize("chosen", ["", "1", "3", "x", OTHERS])
def test_who_has_a_rule_or_is_not_there_cannot_be_chosen(chosen):
    form = NewRuleForm({"agent": chosen}, agents=AGENTS, rules=[rule(1), rule(2, agent=1)])
    with pytest.raises(InvalidInput, match="Of: "):
        form.values()


def test_a_rule_comes_back_as_it_was():
    shown = filled(rule(3, agent=1, text_days=30, task_days=None, keep_collected=False))
    sent = {name: value for name, value in shown.initial.items() if value not in (None, False)}
    assert RuleForm(sent).values() == {"text_days": 30, "task_days": None, "keep_collected": False}


def test_forms_on_one_page_have_ids_of_their_own():
    first, second = filled(rule(3)), filled(rule(4, agent=1))
    assert first["text_days"].id_for_label == "rule-3-text_days"
    assert not {field.id_for_label for field in first} & {field.id_for_label for field in second}

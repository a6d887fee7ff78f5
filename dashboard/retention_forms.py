"""What people fill in about retention. Shape only; the services decide what is allowed."""

from collections.abc import Iterable
from typing import Any

from django import forms

from dashboard.option_forms import whole_field
from orchestration.errors import InvalidInput
from orchestration.payloads.retention import RulePayload
from orchestration.policy.retention import LONGEST_DAYS

OTHERS = "others"


class RuleForm(forms.Form):
    text_days = whole_field("Texts for days", "for good", min_value=1, max_value=LONGEST_DAYS)
    task_days = whole_field("Whole tasks for days", "for good", min_value=1, max_value=LONGEST_DAYS)
    keep_collected = forms.BooleanField(label="Keep what is in a collection", required=False, initial=True)

    def values(self) -> dict[str, Any]:
        """Raises InvalidInput with every problem."""
        if not self.is_valid():
            problems = [f"{self[name].label}: {' '.join(map(str, words))}" for name, words in self.errors.items()]
            raise InvalidInput(" ".join(problems))
        return {name: self.cleaned_data[name] for name in RuleForm.base_fields}


class NewRuleForm(RuleForm):
    agent = forms.ChoiceField(label="Of")

    def __init__(self, *args: Any, agents: Iterable[tuple[int, str]], rules: Iterable[RulePayload], **kw: Any) -> None:
        super().__init__(*args, **kw)
        taken = {rule["agent_id"] for rule in rules}
        choices = [] if None in taken else [(OTHERS, "all other agents" if taken else "all agents")]
        choices += [(str(pk), name) for pk, name in agents if pk not in taken]
        field = self.fields["agent"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices

    @property
    def agent_id(self) -> int | None:
        """None is all others."""
        chosen = self.cleaned_data["agent"]
        return None if chosen == OTHERS else int(chosen)


def filled(rule: RulePayload) -> RuleForm:
    """Each on the same page has ids of its own."""
    values = {name: rule[name] for name in RuleForm.base_fields}  # type: ignore[literal-required]
    return RuleForm(initial=values, auto_id=f"rule-{rule['id']}-%s")

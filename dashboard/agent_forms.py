"""The form of an agent, and what it is filled with. Shape only; the service decides what is allowed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms

from dashboard.forms import THINK_WORDS, split
from dashboard.option_forms import OPTION_FIELDS, OptionsForm, RetriesForm, initial_options, number_field
from orchestration import extensions
from orchestration.errors import InvalidInput
from orchestration.models import Agent
from orchestration.policy.agent_kinds import MANNERS
from orchestration.policy.kinds import Kind, named
from orchestration.policy.states import AgentKind
from orchestration.policy.strict_json import read_json
from orchestration.services.tries import RETRY_FIELDS

PREFERENCES = {
    Kind.CODE: "Code",
    Kind.REVIEW: "Reviews",
    Kind.DOCUMENTATION: "Documentation",
    Kind.VISION: "Images",
    Kind.LONG_CONTEXT: "Long prompts",
    Kind.TRANSLATION: "Translations",
    Kind.SUMMARY: "Summaries",
    Kind.CHAT: "Other chat",
    Kind.GENERATE: "Other generate",
    Kind.EMBED: "Embeddings",
}
"""The kinds of task with the words of the form, as people think of them."""
_PLAIN = (
    *("name", "kind", "description", "default_model", "max_concurrent_tasks", "timeout_seconds"),
    *("memory_enabled", "router", "extension", "preset", *RETRY_FIELDS),
)


def _lines(label: str, placeholder: str, help_text: str = "") -> forms.CharField:
    area = forms.Textarea(attrs={"rows": 3, "placeholder": placeholder})
    return forms.CharField(label=label, required=False, widget=area, help_text=help_text)


class AgentForm(RetriesForm, OptionsForm):
    name = forms.CharField(label="Name", max_length=80, help_text="What tasks and the API call it.")
    kind = forms.ChoiceField(
        label="Kind",
        choices=[(kind, kind) for kind in AgentKind],
        initial=AgentKind.CUSTOM,
    )
    description = forms.CharField(label="Description", required=False)
    system_prompt = forms.CharField(
        label="System prompt", required=False, widget=forms.Textarea(attrs={"rows": 10, "class": "prompt"})
    )
    no_prompt = forms.BooleanField(label="No system prompt at all, not that of its kind either", required=False)
    think = forms.ChoiceField(
        label="Thinking",
        required=False,
        choices=[("", "as its kind does"), *((word, word) for word in THINK_WORDS if word)],
        help_text="Only models that are known to think are asked to.",
    )
    memory_enabled = forms.BooleanField(
        label="Remembers facts",
        required=False,
        help_text="From one conversation to the next; people see and edit them.",
    )
    answer_schema = forms.CharField(
        label="JSON schema of its answers",
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 5, "class": "mono", "placeholder": '{"type": "object", "properties": {}}'}
        ),
        help_text="For tasks that ask for no form themselves. Empty: plain text.",
    )
    models = _lines("Models it may use", "any model", "One a line. Empty means any.")
    default_model = forms.CharField(
        label="Default model", required=False, widget=forms.TextInput(attrs={"list": "known-models"})
    )
    fallbacks = _lines("Fallbacks", "none", "One a line, in order: what goes on when a model is missing or fails.")
    prefer_labels = forms.CharField(
        label="Preferred labels",
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "fast, eu"}),
        help_text="Of several models, those with most of these labels are taken.",
    )
    router = forms.ChoiceField(
        label="Router", required=False, help_text="An installed extension that chooses the models in place of the rule."
    )
    extension = forms.ChoiceField(
        label="Extension", required=False, help_text="An installed extension before and after each call."
    )
    max_concurrent_tasks = forms.IntegerField(label="Tasks at once", min_value=1, max_value=32_767, initial=3)
    timeout_seconds = number_field("Time-out, seconds", "none", min_value=1)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for kind, words in PREFERENCES.items():
            attrs = {"list": "known-models", "placeholder": "default model"}
            widget = forms.TextInput(attrs=attrs)
            self.fields[f"prefer_{kind}"] = forms.CharField(label=words, required=False, max_length=200, widget=widget)
        for name, group in (("router", extensions.Kind.ROUTER), ("extension", extensions.Kind.AGENT)):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = _installed(extensions.installed(group), self.initial.get(name, ""))

    @property
    def preferences(self) -> list[forms.BoundField]:
        return [self[f"prefer_{kind}"] for kind in PREFERENCES]

    @property
    def manners(self) -> list[dict[str, Any]]:
        """What each kind brings along, and which of them is chosen."""
        chosen = self["kind"].value()
        return [
            {
                "kind": kind,
                "about": it.about,
                "prompt": it.system_prompt,
                "think": _think_word(it.think),
                "chosen": kind == chosen,
            }
            for kind, it in MANNERS.items()
        ]

    def clean_answer_schema(self) -> Any:
        text = self.cleaned_data["answer_schema"].strip()
        if not text:
            return None
        try:
            return read_json(text.encode())
        except InvalidInput as error:
            raise forms.ValidationError(error.message) from error
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(f"This is not JSON: {error}.") from error

    def values(self, agent: Agent | None) -> dict[str, Any]:
        """Fields of the service. Options and preferences that this form does not show are kept."""
        data = self.cleaned_data
        preferred = {str(kind): data[f"prefer_{kind}"] for kind in PREFERENCES if data[f"prefer_{kind}"]}
        nothing = "" if data["no_prompt"] else None
        return {
            **{name: data[name] for name in _PLAIN},
            "system_prompt": data["system_prompt"] or nothing,
            "think": THINK_WORDS[data["think"]],
            "answer_schema": data["answer_schema"],
            **{name: split(data[name]) for name in ("models", "fallbacks", "prefer_labels")},
            "options": {**_others(agent.options if agent else {}, OPTION_FIELDS), **self.options()},
            "routing_preferences": {**_strange(agent), **preferred},
        }


def _installed(names: Sequence[str], chosen: str) -> list[tuple[str, str]]:
    gone = [(chosen, f"{chosen} · not installed")] if chosen and chosen not in names else []
    return [("", "none"), *((name, name) for name in names), *gone]


def _think_word(think: bool | str | None) -> str:
    return next((word for word, value in THINK_WORDS.items() if value == think and word), "")


def _strange(agent: Agent | None) -> dict[str, str]:
    """Preferences for kinds that the form does not show, such as task types of one's own."""
    preferences = agent.routing_preferences if agent else {}
    return {key: model for key, model in preferences.items() if named(key) not in PREFERENCES}


def _others(mapping: Mapping[str, Any], shown: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name not in set(shown)}


def initial_from_agent(agent: Agent) -> dict[str, Any]:
    schema = agent.answer_schema
    return {
        **{name: getattr(agent, name) for name in _PLAIN},
        "system_prompt": agent.system_prompt or "",
        "no_prompt": agent.system_prompt == "",
        "think": _think_word(agent.think),
        "answer_schema": json.dumps(schema, indent=2, ensure_ascii=False) if schema else "",
        "models": "\n".join(agent.models),
        "fallbacks": "\n".join(agent.fallbacks),
        "prefer_labels": ", ".join(agent.prefer_labels),
        **initial_options(agent.options),
        **{f"prefer_{named(key)}": model for key, model in agent.routing_preferences.items()},
    }

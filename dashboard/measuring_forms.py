"""What people fill in to compare or to measure models. Shape only; the services decide what is allowed."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import uuid4

from django import forms

from dashboard.forms import split
from dashboard.option_forms import number_field, whole_field
from orchestration.policy.prompt_sets import PROMPT_SETS
from orchestration.services import benchmarks, comparisons

COLUMNS = 4
LEVELS = (1, 2, 4, 8, 16)
PROMPT_BREAK = "---"


class _Keyed(forms.Form):
    """Sent twice by mistake it starts one run."""

    form_key = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput, initial=lambda: uuid4().hex)

    def idempotency_key(self) -> str | None:
        key = self.cleaned_data["form_key"]
        content = repr(sorted((name, value) for name, value in self.cleaned_data.items() if name != "form_key"))
        return f"form-{key}-{sha256(content.encode()).hexdigest()[:32]}" if key else None


class CompareForm(_Keyed):
    title = forms.CharField(label="Title", required=False, max_length=160)
    prompts = forms.CharField(
        label="Prompts",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "class": "prompt", "placeholder": "What should the models do?"}),
        help_text="Several prompts: a line with three dashes between them.",
    )
    agent = forms.TypedChoiceField(label="Agent", coerce=int, help_text="Whose system prompt and options hold.")
    temperature = number_field("Temperature", "0 to 2", min_value=0, max_value=10)
    num_predict = whole_field("Most tokens", "no limit", min_value=-2, max_value=1_000_000)
    seed = whole_field("Seed", "random")

    def __init__(
        self,
        *args: Any,
        agents: Sequence[Mapping[str, Any]],
        models: Sequence[Mapping[str, Any]],
        nodes: Sequence[Mapping[str, Any]],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        choice = self.fields["agent"]
        assert isinstance(choice, forms.TypedChoiceField)
        choice.choices = [(agent["id"], agent["name"]) for agent in agents]
        writing = [(model["name"], model["name"]) for model in models if writes(model)]
        anywhere = [("", "any node"), *((node["name"], node["name"]) for node in nodes)]
        for number in range(1, COLUMNS + 1):
            required = number <= 2
            self.fields[f"model_{number}"] = forms.ChoiceField(
                label=f"Model {number}", required=required, choices=[("", "—"), *writing]
            )
            self.fields[f"node_{number}"] = forms.ChoiceField(label=f"Node {number}", required=False, choices=anywhere)

    def columns(self) -> list[Any]:
        """The fields, model and node together."""
        return [(self[f"model_{number}"], self[f"node_{number}"]) for number in range(1, COLUMNS + 1)]

    def asked(self) -> comparisons.Asked:
        data = self.cleaned_data
        options = {name: data[name] for name in ("temperature", "num_predict", "seed") if data[name] is not None}
        columns = [
            comparisons.Column(data[f"model_{number}"], data[f"node_{number}"])
            for number in range(1, COLUMNS + 1)
            if data[f"model_{number}"]
        ]
        return comparisons.Asked(
            prompts=prompts_of(data["prompts"]), columns=columns, parameters=options, title=data["title"]
        )


class BenchForm(_Keyed):
    title = forms.CharField(label="Title", required=False, max_length=160)
    models = forms.MultipleChoiceField(label="Models", widget=forms.CheckboxSelectMultiple)
    nodes = forms.MultipleChoiceField(label="Nodes", required=False, widget=forms.CheckboxSelectMultiple)
    prompt_set = forms.ChoiceField(label="Prompts", widget=forms.RadioSelect, initial="short")
    prompts = forms.CharField(
        label="Own prompts",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "with lines of three dashes between them"}),
    )
    concurrency = forms.TypedMultipleChoiceField(
        label="At once",
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        choices=[(level, str(level)) for level in LEVELS],
        initial=[1, 2, 4],
    )
    repeats = forms.IntegerField(label="Repeats", min_value=1, max_value=benchmarks.MOST_REPEATS, initial=3)
    rounds = forms.IntegerField(label="Requests a stream", min_value=1, max_value=benchmarks.MOST_ROUNDS, initial=2)
    num_predict = forms.IntegerField(
        label="Tokens an answer", min_value=1, max_value=benchmarks.LONGEST_ANSWER, initial=128
    )
    temperature = forms.FloatField(label="Temperature", min_value=0, max_value=10, initial=0)
    seed = forms.IntegerField(label="Seed", initial=1, min_value=-(2**53), max_value=2**53)

    def __init__(
        self, *args: Any, models: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._choose("models", [(model["name"], model["name"]) for model in models if writes(model)])
        self._choose("nodes", [(node["name"], node["name"]) for node in nodes])
        sets = [(name, f"{name}: {', '.join(item.name for item in items)}") for name, items in PROMPT_SETS.items()]
        self._choose("prompt_set", [*sets, ("own", "own prompts")])

    def _choose(self, name: str, choices: Sequence[tuple[str, str]]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = list(choices)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("prompt_set") == "own" and not prompts_of(cleaned.get("prompts", "")):
            self.add_error("prompts", "Write at least one prompt.")
        return cleaned

    def asked(self) -> benchmarks.Asked:
        data = self.cleaned_data
        own = data["prompt_set"] == "own"
        plain = ("models", "nodes", "concurrency", "repeats", "rounds", "num_predict", "temperature", "seed", "title")
        return benchmarks.Asked(
            **{name: data[name] for name in plain},
            **({"prompts": prompts_of(data["prompts"])} if own else {"prompt_set": data["prompt_set"]}),
        )


def prompts_of(text: str) -> list[str]:
    """The texts between lines of three dashes, none of them empty."""
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip() == PROMPT_BREAK:
            parts.append([])
        else:
            parts[-1].append(line)
    return [prompt for part in parts if (prompt := "\n".join(part).strip())]


def writes(model: Mapping[str, Any]) -> bool:
    """Models that only embed have nothing to compare."""
    return bool(model["installed_on"]) and "completion" in (model["capabilities"] or ["completion"])


def wanted(text: str) -> list[str]:
    """Names in an address, such as ``?models=a,b``."""
    return split(text)

"""Parts of forms: types of tasks with what they take, Ollama's options, and how failed tries are made again."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from django import forms

from orchestration import extensions
from orchestration.errors import InvalidInput
from orchestration.policy.context import BUCKETS
from orchestration.policy.failures import CHOICES
from orchestration.policy.options import OPTIONS
from orchestration.policy.presets import BUILT_IN
from orchestration.policy.states import TaskType
from orchestration.policy.strict_json import read_json
from orchestration.queries import presets
from orchestration.services.task_types import OPTIONS as OPTIONS_KEY
from orchestration.services.task_types import is_built_in
from orchestration.services.tries import LONGEST_FIRST_DELAY, MOST_GROWTH

COMMON_FIELDS = ("temperature", "num_predict", "num_ctx", "seed", "top_p")
"""What most people look for; the rest is a fold away."""
OPTION_FIELDS = (
    *COMMON_FIELDS,
    *(name for name, option in OPTIONS.items() if name not in COMMON_FIELDS and not option.runner),
)
RUNNER_FIELDS = tuple(name for name, option in OPTIONS.items() if option.runner)
_PLACEHOLDERS = {"temperature": "0 to 2", "num_predict": "no limit", "seed": "random"}
FAILURES = {
    "unreachable": "no connection",
    "refused": "a refusal, such as busy or out of memory",
    "stream_failed": "an error inside the answer",
    "stream_truncated": "an answer that breaks off",
    "stream_stalled": "silence",
    "malformed_answer": "an answer that is not Ollama's",
    "timeout": "its time-out",
    "internal_error": "a fault inside Drover",
}


def number_field(label: str, note: str, **limits: Any) -> forms.FloatField:
    widget = forms.NumberInput(attrs={"placeholder": note, "step": "any", "inputmode": "decimal"})
    return forms.FloatField(label=label, required=False, widget=widget, **limits)


def whole_field(label: str, note: str, **limits: Any) -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"placeholder": note, "inputmode": "numeric"})
    return forms.IntegerField(label=label, required=False, widget=widget, **limits)


def _plain_field(name: str) -> forms.Field:
    """As the table has it: what is common has its help at hand, the rest below it."""
    option = OPTIONS[name]
    note = option.range_words or "as usual"
    if option.kind is list:
        area = forms.Textarea(attrs={"rows": 2, "placeholder": "one text a line"})
        field: forms.Field = forms.CharField(label=option.label, required=False, strip=False, widget=area)
    elif option.kind is bool:
        words = [("", "as usual"), ("true", "yes"), ("false", "no")]
        field = forms.TypedChoiceField(
            label=option.label, required=False, choices=words, coerce=lambda text: text == "true", empty_value=None
        )
    else:
        limits = {"min_value": option.least, "max_value": option.most}
        made = whole_field if option.kind is int else number_field
        field = made(option.label, _PLACEHOLDERS.get(name, note), **limits)
    field.widget.attrs["title"] = f"{option.help} Usually {option.usual}."
    if name not in COMMON_FIELDS:
        field.help_text = f"{option.help} Usually {option.usual}."
    return field


def _context_field(chosen: Any) -> forms.TypedChoiceField:
    """One of the sizes that requests are put into, and whatever is chosen already."""
    sizes = sorted({*BUCKETS, *([chosen] if isinstance(chosen, int) else [])})
    field = forms.TypedChoiceField(
        label=OPTIONS["num_ctx"].label,
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "as usual"), *((size, f"{size:,}") for size in sizes)],
    )
    field.widget.attrs["title"] = OPTIONS["num_ctx"].help
    return field


class OptionsForm(forms.Form):
    """Ollama's options as proper fields, under a preset; an empty one is not sent."""

    option_names = OPTION_FIELDS
    has_preset = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.option_names:
            initial = self.initial.get(name)
            self.fields[name] = _context_field(initial) if name == "num_ctx" else _plain_field(name)
        if self.has_preset:
            field = forms.ChoiceField(
                label="Preset", required=False, choices=partial(preset_choices, self.initial.get("preset"))
            )
            field.widget.attrs["title"] = "A named set of options. What is filled in here wins over it."
            self.fields["preset"] = field

    @property
    def common_options(self) -> list[forms.BoundField]:
        return [self[name] for name in self.option_names if name in COMMON_FIELDS]

    @property
    def rarer_options(self) -> list[forms.BoundField]:
        return [self[name] for name in self.option_names if name not in COMMON_FIELDS and not OPTIONS[name].runner]

    @property
    def runner_options(self) -> list[forms.BoundField]:
        return [self[name] for name in self.option_names if OPTIONS[name].runner]

    @property
    def rarer_are_used(self) -> bool:
        """Whether they should be seen at once."""
        return any(field.errors or field.value() not in (None, "") for field in self.rarer_options)

    def options(self) -> dict[str, Any]:
        values = {name: self.cleaned_data.get(name) for name in self.option_names}
        stop = [line for line in (values.get("stop") or "").splitlines() if line]
        return {name: value for name, value in {**values, "stop": stop or None}.items() if value is not None}


def preset_choices(chosen: str | None = None) -> list[tuple[str, str]]:
    """The built-in ones first; one that has gone since stays chosen and says so."""
    names = list(dict.fromkeys([*BUILT_IN, *(row["name"] for row in presets.presets())]))
    gone = [(chosen, f"{chosen} · is no more")] if chosen and chosen not in names else []
    return [("", "none"), *((name, name) for name in names), *gone]


def initial_options(options: Mapping[str, Any], names: Iterable[str] = OPTION_FIELDS) -> dict[str, Any]:
    """A form filled with them."""
    filled = {name: options.get(name) for name in names}
    return {**filled, "stop": "\n".join(options.get("stop") or ())}


def type_choices() -> list[tuple[str, str]]:
    return [(name, name) for name in (*TaskType, *extensions.task_types())]


class TypedForm(OptionsForm):
    """A task's type: Drover's own, or one that is installed, which takes parameters of its own."""

    type = forms.ChoiceField(choices=type_choices, widget=forms.RadioSelect, initial="generate")
    parameters = forms.CharField(
        label="Parameters",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "class": "mono", "placeholder": '{"name": "value"}'}),
        help_text="A JSON object, as this type of task takes it.",
    )

    def clean_parameters(self) -> dict[str, Any]:
        text = self.cleaned_data["parameters"]
        return {} if is_built_in(self.data.get("type", "")) or not text.strip() else json_object(text, "Parameters are")

    def own_parameters(self) -> dict[str, Any]:
        """As the service takes them: of an installed type, Ollama's options stand among its own."""
        kind, options = self.cleaned_data["type"], self.options()
        if kind == TaskType.EMBED:
            return {}
        if is_built_in(kind):
            return options
        return {**self.cleaned_data["parameters"], **({OPTIONS_KEY: options} if options else {})}


def json_object(text: str, what: str) -> dict[str, Any]:
    """Raises ValidationError."""
    try:
        value = read_json(text.encode())
    except InvalidInput as error:
        raise forms.ValidationError(error.message) from error
    except (ValueError, RecursionError) as error:
        raise forms.ValidationError(f"This is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise forms.ValidationError(f"{what} a JSON object.")
    return value


class RetriesForm(forms.Form):
    """An empty field leaves it to the model's configuration, and that to the settings."""

    max_tries = whole_field("Most tries", "as usual", min_value=1, max_value=100)
    retry_delay_seconds = number_field("First pause, seconds", "as usual", min_value=0, max_value=LONGEST_FIRST_DELAY)
    retry_growth = number_field("Growth of the pause", "as usual", min_value=1, max_value=MOST_GROWTH)
    retry_on = forms.MultipleChoiceField(
        label="Tried again after",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(code, FAILURES[code]) for code in CHOICES],
    )

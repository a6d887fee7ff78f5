"""Parts of forms: types of tasks with what they take, Ollama's options, and how failed tries are made again."""

from typing import Any

from django import forms

from orchestration import extensions
from orchestration.errors import InvalidInput
from orchestration.policy.context import BUCKETS
from orchestration.policy.failures import CHOICES
from orchestration.policy.states import TaskType
from orchestration.policy.strict_json import read_json
from orchestration.services.task_types import OPTIONS, is_built_in
from orchestration.services.tries import LONGEST_FIRST_DELAY, MOST_GROWTH

OPTION_FIELDS = ("temperature", "num_predict", "num_ctx", "seed", "top_p")
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


class OptionsForm(forms.Form):
    """Ollama's options as proper fields; an empty one is not sent."""

    temperature = number_field("Temperature", "0 to 2", min_value=0, max_value=10)
    num_predict = whole_field("Most tokens", "no limit", min_value=-2, max_value=1_000_000)
    num_ctx = forms.TypedChoiceField(
        label="Context",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "as usual"), *((size, f"{size:,}") for size in BUCKETS)],
    )
    seed = whole_field("Seed", "random")
    top_p = number_field("Top p", "0 to 1", min_value=0, max_value=1)

    def options(self) -> dict[str, Any]:
        values = {name: self.cleaned_data.get(name) for name in OPTION_FIELDS}
        return {name: value for name, value in values.items() if value is not None}


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
        return {**self.cleaned_data["parameters"], **({OPTIONS: options} if options else {})}


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

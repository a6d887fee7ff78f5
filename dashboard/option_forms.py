"""Parts of forms: Ollama's options as proper fields, and how failed tries are made again."""

from typing import Any

from django import forms

from orchestration.policy.context import BUCKETS
from orchestration.policy.failures import CHOICES
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

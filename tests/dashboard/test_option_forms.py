"""Options and retries as people fill them in."""

import pytest

from dashboard.option_forms import FAILURES, OptionsForm, RetriesForm, initial_options
from orchestration.policy.failures import CHOICES
from orchestration.policy.options import OPTIONS, RUNNER_OPTIONS


def test_an_option_that_is_left_empty_is_not_sent():
    form = OptionsForm({"temperature": "0.2", "num_ctx": "", "seed": "0"})
    assert form.is_valid()
    assert form.options() == {"temperature": 0.2, "seed": 0}


def test_each_failure_that_can_be_chosen_has_its_words():
    assert tuple(FAILURES) == CHOICES


def test_empty_retries_leave_it_to_others():
    form = RetriesForm({})
    assert form.is_valid()
    assert form.cleaned_data == {"max_tries": None, "retry_delay_seconds": None, "retry_growth": None, "retry_on": []}


@pytest.mark.parametrize(
    ("field", "value"),
    [("retry_growth", "0.5"), ("retry_delay_seconds", "-1"), ("max_tries", "0"), ("retry_on", ["invalid_input"])],
)
def test_retries_that_make_no_sense_are_refused(field, value):
    assert list(RetriesForm({field: value}).errors) == [field]


def test_every_option_of_a_task_has_a_field_with_help():
    form = OptionsForm()
    assert {field.name for field in (*form.common_options, *form.rarer_options)} == set(OPTIONS) - RUNNER_OPTIONS
    assert all(field.help_text for field in form.rarer_options)
    assert not form.rarer_are_used
    assert OptionsForm(initial={"typical_p": 0.5}).rarer_are_used


def test_what_was_decided_comes_back_as_it_was():
    options = {"temperature": 0.0, "stop": ["END", "Amen"], "num_ctx": 5000, "num_keep": 0}
    shown = initial_options(options)
    form = OptionsForm({name: value for name, value in shown.items() if value is not None}, initial=shown)
    assert form.is_valid(), form.errors
    assert form.options() == options


def test_ranges_are_those_of_the_table():
    form = OptionsForm({"temperature": "11", "typical_p": "2", "top_k": "-1"})
    assert set(form.errors) == {"temperature", "typical_p", "top_k"}

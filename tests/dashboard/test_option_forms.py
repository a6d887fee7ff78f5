"""Options and retries as people fill them in."""

import pytest

from dashboard.option_forms import FAILURES, OptionsForm, RetriesForm
from orchestration.policy.failures import CHOICES


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

"""The error tree."""

import re
from datetime import timedelta

import pytest

from orchestration import errors
from orchestration.errors import DroverError, Refused, TooManyWaiting


def family(kind=DroverError):
    return [kind, *(child for sub in kind.__subclasses__() for child in family(sub))]


def test_every_code_belongs_to_one_kind():
    own = [kind.code for kind in family() if "code" in vars(kind)]
    assert len(own) == len(set(own))


def test_the_tree_in_the_docstring_is_the_real_one_with_its_statuses():
    drawn = re.findall(r"[├└]── (\w+) +(\d{3})?", errors.__doc__)
    assert {name for name, _ in drawn} == {kind.__name__ for kind in family()} - {"DroverError"}
    assert all(getattr(errors, name).http_status == int(status) for name, status in drawn if status)


def test_only_what_happens_at_a_node_may_pass_at_another_try():
    assert {kind.__name__ for kind in family() if kind.retryable is True} <= {
        kind.__name__ for kind in family(errors.OllamaError)
    }


@pytest.mark.parametrize(("status", "retryable"), [(400, False), (404, False), (429, True), (499, True), (503, True)])
def test_a_refusal_may_pass_elsewhere_unless_every_server_would_repeat_it(status, retryable):
    assert Refused("no", status=status).retryable is retryable


def test_an_error_without_words_has_at_least_its_name():
    assert DroverError().message == "DroverError"


def test_what_programs_need_travels_with_the_error():
    error = TooManyWaiting("Later.", retry_after=timedelta(seconds=3), waiting=7)
    assert (error.retry_after, error.detail, str(error)) == (timedelta(seconds=3), {"waiting": 7}, "Later.")

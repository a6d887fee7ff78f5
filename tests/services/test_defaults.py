"""The fleet's defaults: one row, checked whole, audited."""

import pytest

from orchestration.errors import InvalidInput, NotAllowed
from orchestration.models import AuditEntry, FleetDefaults
from orchestration.permissions import Actor
from orchestration.services import defaults

pytestmark = pytest.mark.django_db


def test_what_is_given_changes_and_the_rest_stays(as_alice: Actor) -> None:
    defaults.update(actor=as_alice, default_model="Llama3.2", options={"temperature": 0.5, "num_gpu": 0})
    row = defaults.update(actor=as_alice, preset="precise", keep_alive_seconds=60)
    assert FleetDefaults.objects.get() == row
    assert (row.default_model, row.options, row.preset) == (
        "llama3.2:latest",
        {"temperature": 0.5, "num_gpu": 0},
        "precise",
    )
    assert AuditEntry.objects.filter(action="defaults.changed").count() == 2


def test_everything_that_is_wrong_is_named_and_nothing_changes(as_alice: Actor) -> None:
    wrong = {"preset": "creativ", "options": {"top_p": 2}, "think": "hard", "timeout_seconds": 0}
    with pytest.raises(InvalidInput) as refusal:
        defaults.update(actor=as_alice, **wrong)
    fields = refusal.value.detail["fields"]
    assert set(fields) == {"preset", "top_p", "think", "timeout_seconds"}
    assert "Did you mean creative?" in fields["preset"]
    assert not FleetDefaults.objects.exists()


def test_an_operator_may_not(as_bob: Actor) -> None:
    with pytest.raises(NotAllowed):
        defaults.update(actor=as_bob, preset="fast")

"""The database made ready without starting anything."""

from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from orchestration.management import ports
from orchestration.models import Agent, Node, User
from orchestration.ollama.simulator import NodeSpec

pytestmark = pytest.mark.django_db


def prepare():
    out = StringIO()
    call_command("prepare", stdout=out)
    return out.getvalue()


def test_somebody_can_log_in_and_tasks_without_an_agent_have_one():
    prepare()
    prepare()
    assert User.objects.get().is_superuser
    assert Agent.objects.get().name == "default"


def test_servers_are_connected_whether_they_answer_or_not(monkeypatch, make_simulator):
    (here,) = make_simulator([NodeSpec(name="one")]).urls
    away = f"http://127.0.0.1:{ports.free('127.0.0.1')}"
    monkeypatch.setattr(settings, "DROVER_OLLAMA_HOSTS", [here, away])
    printed = prepare()
    assert set(Node.objects.values_list("base_url", flat=True)) == {here, away}
    assert f"{away} does not answer" in printed


def test_an_address_that_may_not_be_called_is_refused(monkeypatch):
    monkeypatch.setattr(settings, "DROVER_OLLAMA_HOSTS", ["http://169.254.169.254"])
    with pytest.raises(CommandError, match="metadata"):
        prepare()

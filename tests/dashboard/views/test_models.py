"""One model: where it is, its limits, and who may change them."""

import pytest

from orchestration.models import AuditEntry, ModelConfig, User
from orchestration.permissions import Role
from orchestration.services import model_configs, pauses

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

PAGE = "/models/llama3.2:latest/config"
FORM = {"enabled": "on", "max_concurrent_requests": "5", "priority": "0"}


@pytest.fixture
def as_user(client):
    def login(user):
        client.force_login(user)
        return client

    return login


@pytest.fixture
def erin(db):
    """A maintainer."""
    return User.objects.create_user("erin", role=Role.MAINTAINER)


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_sees_where_it_is(name, request, as_user, node):
    text = as_user(request.getfixturevalue(name)).get(PAGE).text
    assert "On the disk of gpu-a." in text
    assert 'href="/tasks?model=llama3.2%3Alatest"' in text


def test_its_limits_are_written_down_and_changed(as_user, erin, node):
    browser = as_user(erin)
    assert browser.post(PAGE, {**FORM, "max_concurrent_requests": "2"})["Location"] == "/models/llama3.2:latest"
    config = ModelConfig.objects.get()
    assert (config.model_name, config.enabled, config.max_concurrent_requests) == ("llama3.2:latest", True, 2)
    assert 'value="2"' in browser.get(PAGE).text
    browser.post(PAGE, {**FORM, "enabled": "", "priority": "7", "timeout_seconds": "30", "retry_on": ["timeout"]})
    config.refresh_from_db()
    assert (config.enabled, config.priority, config.timeout_seconds, config.retry_on) == (False, 7, 30, ["timeout"])
    actions = AuditEntry.objects.order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["model_config.created", "model_config.changed"]


def test_what_is_taken_out_of_the_form_is_decided_no_more(as_user, erin, as_alice):
    model_configs.create(actor=as_alice, model_name="llama3.2", options={"top_k": 7}, fallbacks=["phi4"])
    as_user(erin).post(PAGE, FORM)
    config = ModelConfig.objects.get()
    assert (config.options, config.fallbacks) == ({}, [])


@pytest.mark.parametrize("fields", [{"max_concurrent_requests": "0"}, {"priority": ""}, {"timeout_seconds": "-1"}])
def test_what_is_wrong_is_said_at_its_field(as_user, erin, node, fields):
    answer = as_user(erin).post(PAGE, {**FORM, **fields})
    assert answer.status_code == 422
    assert "field__error" in answer.text
    assert not ModelConfig.objects.exists()


@pytest.mark.parametrize("name", ["bob", "carol", "dave"])
def test_who_may_not_change_it_sees_why(name, request, as_user, node):
    browser = as_user(request.getfixturevalue(name))
    assert "needs the role maintainer" in browser.get(PAGE).text
    browser.post(PAGE, FORM)
    assert not ModelConfig.objects.exists()


def test_a_pause_is_told_with_its_way_out(as_user, erin, node, as_alice):
    pauses.pause(actor=as_alice, kind="model", key="llama3.2")
    text = as_user(erin).get(PAGE).text
    assert "llama3.2:latest paused by alice since" in text
    assert 'name="paused" value="0">' in text or 'name="paused" value="0" title' in text


def test_a_name_may_hold_slashes_and_need_no_tag(as_user, erin, make_node):
    make_node("gpu-a", models=("hf.co/team/coder:latest",))
    assert as_user(erin).get("/models/hf.co/team/coder").status_code == 200
    assert as_user(erin).get("/models/nobody/has:this").status_code == 404


def test_a_model_that_no_node_has_keeps_its_page(as_user, erin, as_alice):
    model_configs.create(actor=as_alice, model_name="llama3.2")
    assert "No node has it." in as_user(erin).get(PAGE).text

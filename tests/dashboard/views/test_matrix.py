"""The matrix page: what it shows, and what may be done with the cells that are chosen."""

import json

import pytest

from orchestration.models import NodeModel, Run, Task
from orchestration.policy.states import ErrandType
from orchestration.services import errands

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

HERE = "llama3.2:latest"
JSON = {"Accept": "application/json"}


@pytest.fixture
def herd(make_node):
    return [make_node("gpu-a"), make_node("gpu-b", loaded=(HERE,)), make_node("gpu-c", models=())]


@pytest.fixture
def browser(client, alice):
    client.force_login(alice)
    return client


def act(browser, action, *cells, **more):
    return browser.post("/matrix/act", {"action": action, "cells": cells, **more}, headers=JSON)


def key(node, model=HERE):
    return f"{node.pk}:{model}"


@pytest.mark.parametrize("name", ["alice", "bob", "carol", "dave"])
def test_everybody_sees_it_and_who_may_not_act_is_told_why(name, request, client, herd):
    client.force_login(request.getfixturevalue(name))
    text = client.get("/matrix").text
    assert f"{HERE} on gpu-a" in text
    assert "warm" in text
    assert ("This needs the role maintainer" in text) == (name != "alice")


def test_a_matrix_without_nodes_says_what_to_do(browser):
    assert "Connect a node first." in browser.get("/matrix").text


def test_other_weights_under_the_same_name_are_flagged(browser, herd):
    NodeModel.objects.filter(node=herd[0]).update(digest="a" * 64)
    NodeModel.objects.filter(node=herd[1]).update(digest="b" * 64)
    assert "Same tag, different weights" in browser.get("/matrix").text


def test_a_pull_shows_in_its_cell_with_a_link_to_its_task(browser, herd, as_alice):
    run = errands.submit(actor=as_alice, type=ErrandType.PULL, models=["qwen3:8b"], node_ids=[herd[2].pk])
    text = browser.get("/matrix").text
    assert "pulling" in text
    assert f'href="/tasks/{run.tasks.get().pk}"' in text


def test_what_is_chosen_is_done_in_one_run_and_what_makes_no_sense_is_left_out(browser, herd):
    answer = act(browser, "pull", *(key(node) for node in herd)).json()
    assert answer["message"] == "Pulling 1 of 3."
    assert Run.objects.get().title == f"Pull {HERE} on gpu-c"


@pytest.mark.parametrize(
    ("action", "type", "count"),
    [("update", "pull", 2), ("load", "load", 2), ("unload", "unload", 1), ("delete", "delete", 2)],
)
def test_each_action_is_done_where_it_can_be(browser, herd, action, type, count):
    NodeModel.objects.filter(node=herd[0]).update(loaded=False)
    act(browser, action, *(key(node) for node in herd))
    assert list(Task.objects.values_list("type", flat=True)) == [type] * count


def test_models_are_pinned_and_let_go(browser, herd):
    assert act(browser, "pin", key(herd[0]), key(herd[1])).json()["message"] == "Pinned 2."
    assert NodeModel.objects.filter(pinned=True, pinned_by="alice").count() == 2
    assert "pinned" in browser.get("/matrix").text
    act(browser, "unpin", key(herd[0]))
    assert NodeModel.objects.filter(pinned=True).count() == 1


def test_what_nothing_can_be_done_with_is_refused_in_words(browser, herd):
    answer = act(browser, "load", key(herd[2]))
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "None of these can be loaded: the model is not there."
    assert act(browser, "explode", key(herd[0])).status_code == 400
    assert act(browser, "load").status_code == 400


def test_a_model_in_use_is_deleted_when_somebody_insists(browser, herd, make_agent):
    make_agent("writer", models=[HERE])
    refused = act(browser, "delete", key(herd[0]), key(herd[1]))
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "model_in_use")
    assert act(browser, "delete", key(herd[0]), key(herd[1]), force="1").status_code == 200


def test_a_model_is_pulled_by_its_name_to_one_node_or_to_all(browser, herd):
    browser.post("/matrix/pull", {"model": "qwen3:8b", "node": str(herd[0].pk)}, headers=JSON)
    answer = browser.post("/matrix/pull", {"model": "mistral", "node": "all"}, headers=JSON)
    assert json.loads(answer.content)["message"] == "Pull mistral:latest on 3 nodes: asked for."
    assert Task.objects.count() == 4
    assert browser.post("/matrix/pull", {"model": " "}, headers=JSON).status_code == 400


def test_operators_may_not(client, bob, herd):
    client.force_login(bob)
    assert act(client, "load", key(herd[0])).status_code == 403

"""What the frame of every page knows."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import resolve

from dashboard.context import frame
from orchestration.models import Task


def framed(user, url="/"):
    request = RequestFactory().get(url)
    request.user = user
    request.resolver_match = resolve(url)
    return frame(request)["frame"]


def test_nothing_is_read_for_a_page_without_the_frame(db, rf, django_assert_num_queries):
    request = rf.get("/admin/")
    request.user = AnonymousUser()
    with django_assert_num_queries(0):
        frame(request)
        assert framed(AnonymousUser()) == {"demo": False}


@pytest.mark.parametrize(
    ("name", "submit", "nodes"),
    [("alice", True, True), ("bob", True, False), ("carol", False, False), ("dave", True, False)],
)
def test_what_is_offered_goes_by_the_role(name, submit, nodes, request):
    shown = framed(request.getfixturevalue(name))
    assert (shown["can_submit"], shown["can_edit_agents"], shown["can_edit_nodes"]) == (submit, submit, nodes)


def test_the_strip_counts_nodes_and_tasks(alice, make_node, submit, redis_server):
    make_node("gpu-b", health="unhealthy")
    first, *_ = submit("a", "b", "c").tasks.all()
    Task.objects.filter(pk=first.pk).update(status="running")
    shown = framed(alice)
    assert [(node["name"], node["status"]) for node in shown["nodes"]] == [("gpu-a", "healthy"), ("gpu-b", "unhealthy")]
    assert (shown["nodes_up"], shown["counts"]["running"], shown["counts"]["waiting"]) == (1, 1, 2)


@pytest.mark.parametrize(
    ("url", "section"),
    [
        ("/", "overview"),
        ("/tasks", "tasks"),
        ("/tasks/1", "tasks"),
        ("/new", "new"),
        ("/agents", "agents"),
        ("/agents/new", "agents"),
        ("/agents/1", "agents"),
        ("/nodes", "nodes"),
        ("/nodes/new", "nodes"),
        ("/nodes/1", "nodes"),
        ("/nodes/1/check", "nodes"),
    ],
)
def test_the_rail_marks_where_one_is(alice, url, section):
    assert framed(alice, url)["section"] == section

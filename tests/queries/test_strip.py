"""What stands on every page."""

from datetime import timedelta

from django.utils import timezone

from orchestration.models import Task
from orchestration.policy.states import TaskStatus
from orchestration.queries.strip import strip


def test_waiting_is_all_that_neither_runs_nor_has_ended(submit):
    ids = list(submit("one", "two", "three", "four").tasks.values_list("pk", flat=True))
    for task_id, status in zip(ids, (TaskStatus.RUNNING, TaskStatus.ASSIGNED, TaskStatus.COMPLETED), strict=False):
        Task.objects.filter(pk=task_id).update(status=status)
    seen = strip()
    assert (seen["running"], seen["waiting"]) == (1, 2)


def test_failures_count_for_an_hour(submit):
    old, new = submit("one", "two").tasks.all()
    for task, age in ((old, timedelta(hours=2)), (new, timedelta(minutes=2))):
        Task.objects.filter(pk=task.pk).update(status=TaskStatus.FAILED, ended_at=timezone.now() - age)
    assert strip()["failed_last_hour"] == 1


def test_every_node_is_named_with_its_word(make_node):
    make_node("gpu-a")
    make_node("gpu-b", enabled=False)
    assert [(node["name"], node["status"]) for node in strip()["nodes"]] == [
        ("gpu-a", "healthy"),
        ("gpu-b", "disabled"),
    ]


def test_it_costs_three_queries_whatever_there_is(submit, django_assert_num_queries):
    submit(*map(str, range(20)))
    with django_assert_num_queries(3):
        strip()

"""Places in line: exact where the order is certain, a range where other users' tasks may go first."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Agent, Lane, ShareAccount, Task
from orchestration.policy.outlook import Ahead
from orchestration.queries import line
from tests.queries.conftest import Make

BOB, DAVE = 71, 72


def _place(task: Task, *, limited: tuple[int, ...] = (), paused: tuple[int, ...] = ()) -> tuple[int, int | None] | None:
    found: Ahead | None = line.places([task], limited=limited, paused=paused).get(task.pk)
    return (found.least, found.most) if found else None


def _lane(key: str, **fields: Any) -> Lane:
    return Lane.objects.create(key=key, models=["llama3.2:latest"], num_ctx=4096, waiting_code="busy", **fields)


def test_one_users_tasks_stand_in_the_order_of_their_runs(make_task: Make) -> None:
    now = timezone.now()
    late, early, middle = (make_task(share=BOB, line_at=now - timedelta(seconds=ago)) for ago in (1, 9, 5))
    assert [_place(task) for task in (early, middle, late)] == [(0, 0), (1, 1), (2, 2)]


def test_of_one_run_the_first_goes_first(make_task: Make) -> None:
    now = timezone.now()
    tasks = [make_task(share=BOB, line_at=now) for _ in range(3)]
    assert [_place(task) for task in tasks] == [(0, 0), (1, 1), (2, 2)]


def test_higher_classes_go_before_and_lower_ones_do_not(make_task: Make) -> None:
    for priority in (0, 0, 2):
        make_task(share=BOB, priority=priority)
    assert _place(make_task(share=BOB, priority=1)) == (2, 2)


def test_a_paused_class_is_not_in_the_way(make_task: Make) -> None:
    held = make_task(share=BOB, priority=0)
    assert _place(make_task(share=BOB, priority=1), paused=(0,)) == (0, 0)
    assert _place(held, paused=(0,)) is None


def test_what_backs_off_or_runs_is_not_in_line(make_task: Make) -> None:
    off = make_task(share=BOB, not_before=timezone.now() + timedelta(seconds=9))
    make_task("running", share=BOB)
    assert _place(off) is None
    assert _place(make_task(share=BOB)) == (0, 0)


def test_who_received_less_is_next_whatever_others_have_dumped(make_task: Make) -> None:
    for _ in range(8):
        make_task(share=BOB)
    ShareAccount.objects.create(share=BOB, service=9000.0)
    ShareAccount.objects.create(share=DAVE, service=100.0)
    assert _place(make_task(share=DAVE)) == (0, 0)


def test_users_who_are_level_take_turns(make_task: Make) -> None:
    for _ in range(8):
        make_task(share=BOB)
    mine = [make_task(share=DAVE) for _ in range(3)]
    assert [_place(task) for task in mine] == [(0, 1), (1, 3), (2, 5)]


def test_a_user_with_a_limit_may_not_go_when_it_is_their_turn(make_task: Make) -> None:
    make_task(share=BOB, priority=0)
    assert _place(make_task(share=DAVE, priority=1), limited=(BOB,)) == (0, 1)


def test_other_lanes_of_the_same_model_may_go_first(make_task: Make) -> None:
    now = timezone.now()
    rival = _lane("rival")
    make_task(share=BOB, lane=rival, line_at=now - timedelta(seconds=9))
    make_task(share=BOB, lane=rival, line_at=now + timedelta(seconds=9))
    make_task(share=DAVE, lane=rival, priority=0)
    Lane.objects.create(key="else", models=["qwen3:8b"], num_ctx=4096, waiting_code="busy")
    assert _place(make_task(share=BOB, line_at=now)) == (0, 2)


def test_a_paused_lane_is_no_rival(make_task: Make) -> None:
    Lane.objects.filter(pk=_lane("rival").pk).update(waiting_code="paused")
    make_task(share=BOB, lane=Lane.objects.get(key="rival"), priority=0)
    assert _place(make_task(share=BOB)) == (0, 0)


def test_an_agent_at_its_limit_is_shared_by_all_its_lanes(make_task: Make, agent: Agent) -> None:
    other = Lane.objects.create(key="o", agent=agent, models=["qwen3:8b"], num_ctx=4096, waiting_code="agent_limit")
    make_task(share=BOB, lane=other, line_at=timezone.now() - timedelta(seconds=9))
    task = make_task(share=BOB)
    Lane.objects.filter(pk=task.lane_id).update(agent=agent, waiting_code="busy")
    assert _place(task) == (0, 0)
    Lane.objects.filter(pk=task.lane_id).update(waiting_code="agent_limit")
    assert _place(task) == (0, 1)


def test_a_long_line_is_counted_up_to_a_bound(make_task: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "MOST_COUNTED", 3)
    tasks = [make_task(share=BOB) for _ in range(5)]
    assert [_place(task) for task in tasks] == [(0, 0), (1, 1), (2, 2), (3, None), (3, None)]


def test_alone_in_a_line_three_statements_will_do(make_task: Make, django_assert_num_queries: Any) -> None:
    task = make_task(share=BOB)
    with django_assert_num_queries(3):
        assert _place(task) == (0, 0)


def test_many_places_cost_as_many_statements_as_few(
    make_task: Make, agent: Agent, django_assert_num_queries: Any
) -> None:
    rivals = [_lane(f"rival {number}", agent=agent) for number in range(4)]
    tasks = [make_task(share=share, lane=lane, priority=p) for share in (1, 2) for lane in rivals for p in (0, 1, 2)]
    with django_assert_num_queries(5):
        assert len(line.places(tasks, limited=(), paused=())) == len(tasks)


def test_errands_with_a_model_stand_in_no_line_for_it(make_task: Make) -> None:
    errands = Lane.objects.create(
        key="e", models=["llama3.2:latest"], num_ctx=0, waiting_code="node_unavailable", type="pull"
    )
    pull = make_task(share=0, lane=errands, type="pull")
    assert (_place(make_task(share=BOB)), _place(pull)) == ((0, 0), (0, 0))

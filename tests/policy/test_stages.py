"""The order of a benchmark's requests."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.stages import Place, plan

A, B, ON_TWO = Place("llama", "gpu-a"), Place("qwen", "gpu-a"), Place("llama", "gpu-b")


def test_a_model_is_warmed_up_once_before_anything_is_measured():
    requests = plan({A: (1, 2)}, prompts=1, repeats=1, rounds=2)
    assert [request.warm_up for request in requests] == [True] + [False] * 6
    assert all(request.needs == (0,) for request in requests[1:])
    assert requests[0].needs == requests[0].after == ()


def test_a_stage_keeps_its_streams_busy_by_windows():
    requests = plan({A: (2,)}, prompts=1, repeats=1, rounds=3)
    assert [request.after for request in requests[1:]] == [(), (), (1,), (2,), (3,), (4,)]


def test_a_stage_waits_for_the_last_ones_of_the_stage_before():
    requests = plan({A: (1, 2)}, prompts=1, repeats=2, rounds=1)
    assert [(request.concurrency, request.repeat) for request in requests[1:]] == [
        (1, 0), (2, 0), (2, 0), (1, 1), (2, 1), (2, 1)
    ]  # fmt: skip
    assert [request.after for request in requests[1:]] == [(), (1,), (1,), (2, 3), (4,), (4,)]


def test_models_of_one_node_take_turns_and_nodes_do_not_wait_for_each_other():
    requests = plan({A: (1,), ON_TWO: (1,), B: (1,)}, prompts=1, repeats=1, rounds=1)
    assert [(request.place, request.after) for request in requests if request.warm_up] == [
        (A, ()),
        (ON_TWO, ()),
        (B, (1,)),
    ]


@given(levels=st.lists(st.integers(1, 8), min_size=1, max_size=3), rounds=st.integers(1, 3), repeats=st.integers(1, 3))
def test_no_more_than_the_level_ever_runs_at_once_and_no_other_model_beside_it(levels, rounds, repeats):
    requests = plan({A: levels, B: levels}, prompts=2, repeats=repeats, rounds=rounds)
    left, ended = dict(enumerate(requests)), set()
    while left:
        free = [at for at, request in left.items() if {*request.needs, *request.after} <= ended]
        by_stage = defaultdict(list)
        for at in free:
            by_stage[requests[at].place].append(requests[at])
        assert len(by_stage) == 1
        (running,) = by_stage.values()
        assert len({(request.prompt, request.concurrency, request.repeat) for request in running}) == 1
        assert len(running) <= max(1, running[0].concurrency)
        ended |= {free[-1]}
        del left[free[-1]]


def test_edges_lead_back_only():
    requests = plan({A: (1, 4), B: (2,)}, prompts=2, repeats=2, rounds=2)
    assert all(position < at for at, request in enumerate(requests) for position in (*request.needs, *request.after))

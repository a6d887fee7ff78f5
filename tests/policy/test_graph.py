"""Graphs of steps: cycles are found and named, orders keep what is needed first."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.graph import downstream, find_cycle, layers, order

_NAMES = st.sampled_from("abcdefgh")
_GRAPHS = st.dictionaries(_NAMES, st.sets(_NAMES), max_size=8)


def test_a_cycle_is_named_in_order_with_the_first_repeated_last() -> None:
    assert find_cycle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == ["a", "b", "c", "a"]


def test_a_step_that_needs_itself_is_a_cycle() -> None:
    assert find_cycle({"a": [], "b": ["b"]}) == ["b", "b"]


def test_a_chain_of_many_thousand_steps_is_no_cycle() -> None:
    edges = {str(number): [str(number - 1)] if number else [] for number in range(20_000)}
    assert find_cycle(dict(reversed(edges.items()))) is None


def test_steps_keep_the_order_given_where_nothing_speaks_against_it() -> None:
    assert order({"z": [], "b": ["x"], "x": [], "a": ["z"]}) == ["z", "x", "b", "a"]


def test_layers_go_by_the_longest_way() -> None:
    assert layers({"a": [], "b": ["a"], "c": ["a", "b"], "d": []}) == [["a", "d"], ["b"], ["c"]]


def test_what_needs_a_step_is_found_through_others() -> None:
    assert downstream({"a": [], "b": ["a"], "c": ["b"], "d": []}, "a") == {"b", "c"}


@given(_GRAPHS)
def test_either_all_steps_can_be_ordered_or_a_true_cycle_is_named(edges: dict[str, set[str]]) -> None:
    cycle, ordered = find_cycle(edges), order(edges)
    assert (cycle is None) == (len(ordered) == len(edges))
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(needed in edges[name] for name, needed in itertools.pairwise(cycle))
    place = {name: number for number, name in enumerate(ordered)}
    assert all(place[needed] < place[name] for name in ordered for needed in edges[name] if needed in edges)


@given(_GRAPHS, _NAMES)
def test_downstream_is_all_from_which_the_step_can_be_reached(edges: dict[str, set[str]], start: str) -> None:
    def reached(name: str) -> set[str]:
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            for needed in edges.get(waiting.pop(), ()):
                if needed not in seen:
                    seen.add(needed)
                    waiting.append(needed)
        return seen

    assert downstream(edges, start) == {name for name in edges if name != start and start in reached(name)}

"""What differs between two configurations."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.transfer_diff import Manner, counts, diff, digest, same

from .test_transfer import SHAPES, VALUES, WORDS


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = diff(before, after, SHAPES)
    return [
        (
            each.section,
            each.name,
            each.manner.value,
            [(field.field, field.before, field.after) for field in each.fields],
        )
        for each in found
    ]


def test_objects_are_added_changed_and_removed() -> None:
    before = {
        "agents": [{"name": "a", "options": {"seed": 1, "top_k": 2}}, {"name": "b"}],
        "retention": [{"agent": None, "days": 3}],
    }
    after = {
        "agents": [{"name": "a", "options": {"seed": 5, "top_p": 1.0}}, {"name": "c", "models": ["x"], "options": {}}],
        "retention": [{"agent": None, "days": 4}],
    }
    assert changes(before, after) == [
        ("agents", "a", "changed", [("options.seed", 1, 5), ("options.top_p", None, 1.0), ("options.top_k", 2, None)]),
        ("agents", "b", "removed", []),
        ("agents", "c", "added", [("models", None, ["x"])]),
        ("retention", "all others", "changed", [("days", 3, 4)]),
    ]


def test_steps_are_compared_by_their_names() -> None:
    before = {"workflows": [{"name": "w", "steps": [{"name": "one", "input": "x"}, {"name": "two", "input": "y"}]}]}
    after = {"workflows": [{"name": "w", "steps": [{"name": "one", "input": "x"}, {"name": "two", "input": "z"}]}]}
    assert changes(before, after) == [("workflows", "w", "changed", [("steps.two.input", "y", "z")])]


def test_a_changed_order_of_steps_is_a_change() -> None:
    one, two = {"name": "one"}, {"name": "two"}
    found = changes(
        {"workflows": [{"name": "w", "steps": [one, two]}]}, {"workflows": [{"name": "w", "steps": [two, one]}]}
    )
    assert found == [("workflows", "w", "changed", [("steps", [one, two], [two, one])])]


def test_numbers_and_truth_are_not_mixed_up() -> None:
    assert not same(1, True)
    assert not same(1, 1.0)
    assert same({"a": 1, "b": [2]}, {"b": [2], "a": 1})


def test_changes_are_counted() -> None:
    found = diff({"agents": [{"name": "a"}]}, {"agents": [{"name": "b"}, {"name": "c"}]}, SHAPES)
    assert counts(found) == {"added": 2, "changed": 0, "removed": 1}
    assert found[0].manner is Manner.REMOVED


ROWS = st.lists(
    st.fixed_dictionaries({"name": WORDS.filter(bool), "x": VALUES}),
    min_size=1,
    max_size=4,
    unique_by=lambda row: row["name"],
)


@given(ROWS, VALUES)
def test_exactly_what_was_changed_is_told(rows: list[dict[str, Any]], value: Any) -> None:
    before = {"workflows": rows}
    after = {"workflows": [{**rows[0], "x": value}, *rows[1:]]}
    assert diff(before, before, SHAPES) == []
    assert {change.name for change in diff(before, after, SHAPES)} == (
        set() if same(rows[0]["x"], value) else {rows[0]["name"]}
    )
    assert (digest(before) == digest(after)) == same(rows[0]["x"], value)

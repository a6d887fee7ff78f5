"""Graphs on paper: what waits stands to the right, boxes never lie on each other, every line has its ends."""

from hypothesis import given
from hypothesis import strategies as st

from dashboard.drawing import BOX_HEIGHT, BOX_WIDTH, drawn

DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


def test_a_diamond_has_three_columns() -> None:
    drawing = drawn(DIAMOND)
    columns = sorted({box.x for box in drawing.boxes})
    assert len(columns) == 3
    assert {(line.start, line.end) for line in drawing.lines} == {("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")}
    first, last = drawing.boxes[0], drawing.boxes[-1]
    assert first.y == last.y
    assert drawing.width > last.x + BOX_WIDTH


def test_a_line_that_passes_a_layer_goes_around_its_boxes() -> None:
    drawing = drawn({"a": [], "b": ["a"], "c": ["b", "a"]})
    (long,) = [line for line in drawing.lines if (line.start, line.end) == ("a", "c")]
    (between,) = [box for box in drawing.boxes if box.name == "b"]
    height = float(long.path.rsplit("L", 1)[1].partition("C")[0].split()[1])
    assert not between.y <= height <= between.y + BOX_HEIGHT


def test_the_same_goes_down_where_there_is_no_room_beside() -> None:
    across, down = drawn(DIAMOND), drawn(DIAMOND, down=True)
    assert len({box.y for box in down.boxes}) == 3
    assert down.height < across.width
    assert [line.path[0] for line in down.lines] == ["M"] * 4
    first = down.boxes[0]
    assert down.lines[0].path.startswith(f"M{first.x + BOX_WIDTH / 2:g} {first.y + BOX_HEIGHT:g}C")


def test_nothing_to_draw_is_an_empty_drawing() -> None:
    assert drawn({}).boxes == []


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    names = [f"s{number}" for number in range(draw(st.integers(1, 12)))]
    return {
        name: draw(st.lists(st.sampled_from(names[:number]), max_size=3)) if number else []
        for number, name in enumerate(names)
    }


@given(graphs())
def test_no_box_lies_on_another_and_what_waits_is_further_right(edges: dict[str, list[str]]) -> None:
    drawing = drawn(edges)
    boxes = {box.name: box for box in drawing.boxes}
    assert set(boxes) == set(edges)
    for name, needs in edges.items():
        assert all(boxes[name].x >= boxes[needed].x + BOX_WIDTH for needed in needs)
    for box in boxes.values():
        assert 0 <= box.x <= drawing.width - BOX_WIDTH
        assert 0 <= box.y <= drawing.height - BOX_HEIGHT
        same = [other for other in boxes.values() if other is not box and other.x == box.x]
        assert all(abs(other.y - box.y) >= BOX_HEIGHT for other in same)

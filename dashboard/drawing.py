"""Where the boxes of a graph of steps stand: layer by layer to the right or down, lines around the boxes between."""

import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orchestration.policy.graph import layers

BOX_WIDTH = 156
BOX_HEIGHT = 52
GAP_ACROSS = 40
GAP_DOWN = 16
MARGIN = 12
_SWEEPS = 6
_BEND = 20
"""What a line takes where it passes a layer."""


@dataclass(frozen=True, slots=True)
class Box:
    name: str
    x: float
    y: float
    width: int = BOX_WIDTH
    height: int = BOX_HEIGHT


@dataclass(frozen=True, slots=True)
class Line:
    """From a step to one that waits for it."""

    start: str
    end: str
    path: str


@dataclass(frozen=True, slots=True)
class Drawing:
    width: int
    height: int
    boxes: list[Box]
    lines: list[Line]


Spot = tuple[str, ...]
"""A step, as its name alone; or the place where a line passes a layer, as start, end and layer."""


def drawn(edges: Mapping[str, Collection[str]], *, down: bool = False) -> Drawing:
    """``edges``: by step, the steps it waits for. There is no cycle. ``down``: for narrow places."""
    if down:
        return _turned(_drawn(edges, BOX_HEIGHT, BOX_WIDTH))
    return _drawn(edges, BOX_WIDTH, BOX_HEIGHT)


def _turned(drawing: Drawing) -> Drawing:
    """With its axes exchanged."""
    boxes = [Box(box.name, box.y, box.x) for box in drawing.boxes]
    lines = [Line(line.start, line.end, _turned_path(line.path)) for line in drawing.lines]
    return Drawing(drawing.height, drawing.width, boxes, lines)


def _turned_path(path: str) -> str:
    def swapped(match: re.Match[str]) -> str:
        numbers = match[2].split()
        pairs = [f"{y} {x}" for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
        return match[1] + " ".join(pairs)

    return re.sub(r"([MCL])([^MCL]+)", swapped, path)


def _drawn(edges: Mapping[str, Collection[str]], along: int, across: int) -> Drawing:
    """``along`` and ``across``: the size of a box in the direction of the layers and beside it."""
    known = {name: [each for each in needs if each in edges] for name, needs in edges.items()}
    rows, ways = _with_bends(known, layers(known))
    _untangle(rows, ways)
    places = _places(rows, along, across)
    boxes = [Box(name, *places[(name,)]) for name in known]
    lines = [Line(way[0][0], way[-1][0], _path(way, places, along, across)) for way in ways]
    width = 2 * MARGIN + len(rows) * along + max(0, len(rows) - 1) * GAP_ACROSS
    height = 2 * MARGIN + max((_height(row, across) for row in rows), default=across)
    return Drawing(width, round(height), boxes, lines)


def _with_bends(
    edges: Mapping[str, Collection[str]], named: list[list[str]]
) -> tuple[list[list[Spot]], list[list[Spot]]]:
    """The layers with a spot for every line that passes them, and every line as the spots on its way."""
    rows: list[list[Spot]] = [[(name,) for name in row] for row in named]
    depth = {name: number for number, row in enumerate(named) for name in row}
    ways = []
    for name, needs in edges.items():
        for needed in dict.fromkeys(needs):
            bends: list[Spot] = [(needed, name, str(layer)) for layer in range(depth[needed] + 1, depth[name])]
            for layer, bend in enumerate(bends, start=depth[needed] + 1):
                rows[layer].append(bend)
            ways.append([(needed,), *bends, (name,)])
    return rows, ways


def _untangle(rows: list[list[Spot]], ways: list[list[Spot]]) -> None:
    """Orders each layer by the middle of what its spots are joined to, to and fro."""
    before: dict[Spot, list[Spot]] = {}
    behind: dict[Spot, list[Spot]] = {}
    for way in ways:
        for one, other in itertools.pairwise(way):
            behind.setdefault(one, []).append(other)
            before.setdefault(other, []).append(one)
    for sweep in range(_SWEEPS):
        forth = sweep % 2 == 0
        order = range(1, len(rows)) if forth else range(len(rows) - 2, -1, -1)
        for number in order:
            fixed = {spot: place for place, spot in enumerate(rows[number - 1 if forth else number + 1])}
            _sort(rows[number], before if forth else behind, fixed)


def _sort(row: list[Spot], joined: Mapping[Spot, list[Spot]], fixed: Mapping[Spot, int]) -> None:
    own = {spot: place for place, spot in enumerate(row)}

    def middle(spot: Spot) -> float:
        near = [fixed[each] for each in joined.get(spot, ()) if each in fixed]
        return sum(near) / len(near) if near else own[spot]

    row.sort(key=lambda spot: (middle(spot), own[spot]))


def _height(row: list[Spot], across: int) -> float:
    return sum(_tall(spot, across) for spot in row) + GAP_DOWN * (len(row) - 1)


def _tall(spot: Spot, across: int) -> int:
    return across if len(spot) == 1 else _BEND


def _places(rows: list[list[Spot]], along: int, across: int) -> dict[Spot, tuple[float, float]]:
    """The upper left corner of every spot, each layer in the middle."""
    tallest = max((_height(row, across) for row in rows), default=0)
    found: dict[Spot, tuple[float, float]] = {}
    for number, row in enumerate(rows):
        y = MARGIN + (tallest - _height(row, across)) / 2
        for spot in row:
            found[spot] = (MARGIN + number * (along + GAP_ACROSS), y)
            y += _tall(spot, across) + GAP_DOWN
    return found


def _path(way: list[Spot], places: Mapping[Spot, tuple[float, float]], along: int, across: int) -> str:
    """A curve from the end of the first box to the beginning of the last, straight where it passes a layer."""
    x, y = places[way[0]]
    x, y = x + along, y + across / 2
    parts = [f"M{x:g} {y:g}"]
    for spot in way[1:]:
        to_x, to_y = places[spot][0], places[spot][1] + _tall(spot, across) / 2
        half = (to_x - x) / 2
        parts.append(f"C{x + half:g} {y:g} {to_x - half:g} {to_y:g} {to_x:g} {to_y:g}")
        x, y = to_x, to_y
        if len(spot) > 1:
            x += along
            parts.append(f"L{x:g} {y:g}")
    return "".join(parts)

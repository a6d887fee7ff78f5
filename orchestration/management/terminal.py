"""What start-up and the doctor show on a terminal: ticks, a box, and the lines of the child processes."""

import os
import sys
import unicodedata
from collections.abc import Sequence
from typing import TextIO

_MARKS = {True: ("✔", "ok", "32"), None: ("○", "--", "33"), False: ("✖", "FAIL", "31")}
_CHILD_COLOURS = ("36", "35", "34", "33", "32")
NAME_WIDTH = 9


class Terminal:
    """Writes words; colours only where a person looks, plain ASCII where nothing else can be shown."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.in_colour = self.stream.isatty() and "NO_COLOR" not in os.environ
        self.in_unicode = "utf" in (getattr(self.stream, "encoding", None) or "").lower()
        self._children: list[str] = []

    def line(self, text: str = "") -> None:
        try:
            self.stream.write(f"{text}\n")
        except UnicodeEncodeError:
            self.stream.write(f"{text.encode('ascii', 'replace').decode()}\n")
        except BrokenPipeError:
            return
        self.stream.flush()

    def tick(self, ok: bool | None, name: str, text: str, fix: str = "") -> None:
        """One finding: good, to be known, or bad; with what mends it on a line of its own."""
        mark, plain, colour = _MARKS[ok]
        shown = self._paint(mark if self.in_unicode else plain, colour)
        self.line(f"{shown} {name:<{NAME_WIDTH}} {text}")
        if fix:
            arrow = "→" if self.in_unicode else "->"
            self.line(f"  {'':<{NAME_WIDTH}} {arrow} {fix}")

    def child(self, name: str, text: str) -> None:
        """A line of one of the processes, under its name."""
        if name not in self._children:
            self._children.append(name)
        colour = _CHILD_COLOURS[self._children.index(name) % len(_CHILD_COLOURS)]
        self.line(f"{self._paint(f'{name:<{NAME_WIDTH}} |', colour)} {text}")

    def box(self, rows: Sequence[str]) -> None:
        width = max(map(_width, rows)) + 2
        left, flat, right, side, low_left, low_right = "┌─┐│└┘" if self.in_unicode else "+-+|++"
        self.line(left + flat * width + right)
        for row in rows:
            self.line(f"{side} {row}{' ' * (width - 2 - _width(row))} {side}")
        self.line(low_left + flat * width + low_right)

    def _paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.in_colour else text


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)

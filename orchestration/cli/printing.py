"""How results are shown: tables and words on a terminal, plain lines in a pipe, the API's JSON for scripts."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestration.cli.failures import Failure
from orchestration.cli.text import line, plain

STYLES = {
    "completed": "green",
    "healthy": "green",
    "ok": "green",
    "running": "cyan",
    "failed": "red",
    "unhealthy": "red",
    "unreachable": "red",
    "cancelled": "magenta",
    "paused": "yellow",
    "pending": "yellow",
    "draining": "yellow",
}
_UNSAFE = re.compile("[\x7f-\x9f]")


class Printer:
    """stdout has the result, stderr what is said about it. Text of others never becomes markup or control codes."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.console = Console(markup=False, highlight=False, emoji=False)
        self.messages = Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)

    @property
    def is_live(self) -> bool:
        return self.console.is_interactive and not self.as_json

    def json(self, payload: Any) -> None:
        text = json.dumps(payload, ensure_ascii=False, indent=2)
        sys.stdout.write(_UNSAFE.sub(lambda found: f"\\u{ord(found.group()):04x}", text) + "\n")

    def say(self, words: str, style: str = "") -> None:
        """A line of ours."""
        self.console.print(Text(plain(words), style=style), soft_wrap=True)

    def output(self, text: str) -> None:
        """What a model wrote, as it wrote it."""
        written = plain(text)
        if self.console.is_terminal:  # above the bars, if there are any
            self.console.print(Text(written.removesuffix("\n")), soft_wrap=True)
        else:
            self.piece(written if written.endswith("\n") else written + "\n")

    def piece(self, text: str) -> None:
        """A piece of text as it comes, cleaned already."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def note(self, words: str) -> None:
        self.messages.print(Text(plain(words), style="dim"))

    def warn(self, words: str) -> None:
        self.messages.print(Text(f"Warning: {plain(words)}", style="yellow"))

    def failure(self, failure: Failure) -> None:
        if self.as_json and failure.payload is not None:
            self.json(failure.payload)
        self.messages.print(Text("Error: ", style="bold red") + Text(plain(failure.message)))
        if failure.hint:
            self.messages.print(Text(plain(failure.hint)))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str = "Nothing.") -> None:
        """A table on a terminal, values with tabs between them in a pipe."""
        cells = [[line("" if value is None else value) for value in row] for row in rows]
        if not self.console.is_terminal:
            self._tabbed([columns, *cells] if cells else [])
        elif not cells:
            self.say(empty, "dim")
        else:
            self._framed(columns, cells)

    def _tabbed(self, rows: Sequence[Sequence[str]]) -> None:
        sys.stdout.write("".join("\t".join(row) + "\n" for row in rows))

    def _framed(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        table = Table(*columns, box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for column in table.columns:
            column.overflow = "fold"
        for row in rows:
            table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
        self.console.print(table)

    def details(self, fields: Mapping[str, Any]) -> None:
        """Names and values below one another; what has no value is left out."""
        shown = {name: value for name, value in fields.items() if value not in (None, "", [], {})}
        width = max(map(len, shown), default=0)
        for name, value in shown.items():
            text = plain(value)
            body = f"\n{text}" if "\n" in text else f" {text}"
            label = f"{name}:" if "\n" in text else f"{name}:".ljust(width + 1)
            self.console.print(Text(label, style="bold") + Text(body, style=STYLES.get(text, "")), soft_wrap=True)

"""A run while it goes on: bars and text on a terminal, a line for each ended task in a pipe, nothing for scripts."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestration.cli.following import ENDED, LARGE, View
from orchestration.cli.printing import STYLES, Printer
from orchestration.cli.streaming import WORDS, Feed
from orchestration.cli.text import line, number, plain, seconds

Json = dict[str, Any]
TAIL_MOST = 12
ROWS_MOST = 8


def summary(task: Json) -> str:
    """``completed · llama3.2:latest on gpu-a · 2.1 s · 64 tokens, 31.0/s``."""
    metrics = task.get("metrics") or {}
    model = line(task.get("model_used") or task.get("model_name") or "")
    facts = [task["status"], f"{model} on {line(task['node'])}" if task.get("node") else model]
    facts.append(seconds(metrics.get("duration")))
    if metrics.get("output_tokens"):
        speed = metrics.get("tokens_per_second")
        facts.append(f"{number(metrics['output_tokens'])} tokens" + (f", {number(speed)}/s" if speed else ""))
    return " · ".join(fact for fact in facts if fact)


def name_of(task: Json) -> str:
    """Steps by their name, others by what they are."""
    return line(task.get("step") or task.get("title") or task["type"], 60)


class Quiet:
    """For ``--json``."""

    wants_text = False

    def look(self, run: Json, tasks: list[Json], feeds: dict[int, Feed]) -> None:
        pass

    def redraw(self) -> None:
        pass

    def lost(self, words: str) -> None:
        pass


class Lines:
    """Each task once, when it has ended, with what it wrote. Also the lasting part of what a terminal shows."""

    wants_text = False

    def __init__(self, out: Printer, *, outputs: bool = True) -> None:
        self._out = out
        self._outputs = outputs
        self._told: set[int] = set()
        self._is_lost = False

    def look(self, run: Json, tasks: list[Json], feeds: dict[int, Feed]) -> None:
        self._is_lost = False
        if not self._outputs or sum(run["counts"].values()) > LARGE:
            return
        for task in tasks:
            if task["status"] in ENDED and task["id"] not in self._told:
                self._told.add(task["id"])
                self._tell(task)

    def redraw(self) -> None:
        """Lines stay as they are."""

    def lost(self, words: str) -> None:
        if not self._is_lost:
            self._out.note(f"{words} Trying again …")
        self._is_lost = True

    def _tell(self, task: Json) -> None:
        self._out.say(f"── {task['id']} {name_of(task)} · {summary(task)}", STYLES.get(task["status"], ""))
        if task.get("skipped_because"):
            self._out.say(f"skipped: {task['skipped_because']}", "dim")
        if task.get("error"):
            self._out.say(task["error"], "red")
        if isinstance(task.get("output"), str) and task["output"]:
            self._out.output(task["output"])
        elif task.get("output"):
            self._out.say(vectors_in_words(task["output"]))
        elif task.get("message"):
            self._out.say(line(task["message"]))


def vectors_in_words(output: Any) -> str:
    rows = output if isinstance(output, list) else []
    if rows and isinstance(rows[0], list):
        return f"{len(rows)} vectors of {len(rows[0])} numbers; --json has them."
    return f"A vector of {len(rows)} numbers; --json has it." if rows else line(output, 400)


class Board(Lines):
    """The lasting lines, and below them a bar for the run and for each task that runs, with the end of its text."""

    wants_text = True

    def __init__(self, out: Printer, *, outputs: bool = True) -> None:
        super().__init__(out, outputs=outputs)
        self.live = Live(console=out.console, auto_refresh=False, transient=True)
        self._seen: tuple[Json, list[Json], dict[int, Feed]] | None = None

    def look(self, run: Json, tasks: list[Json], feeds: dict[int, Feed]) -> None:
        super().look(run, tasks, feeds)
        self._seen = (run, tasks, feeds)
        self.redraw()

    def redraw(self) -> None:
        if self._seen is None:
            return
        height, width = self._out.console.height, self._out.console.width
        self.live.update(Group(*board(*self._seen, height=height, width=width)), refresh=True)


def board(run: Json, tasks: list[Json], feeds: dict[int, Feed], *, height: int, width: int) -> list[RenderableType]:
    rows: list[RenderableType] = [_run_row(run)]
    unfinished = [task for task in tasks if task["status"] not in ENDED]
    shown = sorted(unfinished, key=lambda task: task["status"] != "running")[:ROWS_MOST]
    tails = max(1, sum(bool(feeds[task["id"]].text) for task in shown if task["id"] in feeds))
    lines = min(TAIL_MOST, max(1, (height - 3 - len(shown)) // tails - 1))
    for task in shown:
        feed = feeds.get(task["id"], Feed())
        rows.append(_task_row(task, feed))
        rows += _tail(feed.text, lines, width - 4)
    if len(unfinished) > len(shown):
        rows.append(Text(f"  and {len(unfinished) - len(shown)} more", style="dim"))
    return rows


def _run_row(run: Json) -> Table:
    counts, total = run["counts"], sum(run["counts"].values())
    ended = sum(counts.get(word, 0) for word in ENDED)
    parts = [f"{counts[word]:,} {word}" for word in ("running", "pending", "failed", "cancelled") if counts.get(word)]
    words = f"Run {run['id']}  {line(run.get('title') or run['kind'], 40)}"
    return _row(words, ended, total, f"{ended:,} of {total:,}  {'  '.join(parts)}", "green")


def _task_row(task: Json, feed: Feed) -> Table:
    state = feed.state or task.get("state", "")
    told = line(task.get("waiting_reason") or task.get("message") or "")
    detail = told if told and state == "working" else feed.detail or told
    words = f"  {task['id']} {name_of(task)}"
    return _row(words, task.get("progress", 0), 100, f"{WORDS.get(state, state)}  {detail}", "cyan")


def _row(name: str, done: float, total: float, words: str, style: str) -> Table:
    row = Table.grid(padding=(0, 1), expand=True)
    row.add_column(width=26, no_wrap=True, overflow="ellipsis")
    row.add_column(width=20)
    row.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    bar = ProgressBar(total=max(total, 1), completed=done, width=20, complete_style=style, finished_style=style)
    row.add_row(Text(name), bar, Text(words, style="dim"))
    return row


def _tail(text: str, lines: int, width: int) -> list[RenderableType]:
    """The last lines as they would stand on the screen."""
    wrapped = [
        row[start : start + width]
        for row in plain(text).expandtabs(4).splitlines()[-lines:]
        for start in range(0, len(row) or 1, max(width, 1))
    ]
    return [Text(f"    {row}", no_wrap=True, overflow="crop") for row in wrapped[-lines:]]


def view_for(out: Printer, *, outputs: bool = True) -> tuple[View, AbstractContextManager[Any]]:
    """How a run is shown there, and what has to be open around it."""
    if out.as_json:
        return Quiet(), nullcontext()
    if not out.is_live:
        return Lines(out, outputs=outputs), nullcontext()
    shown = Board(out, outputs=outputs)
    return shown, shown.live

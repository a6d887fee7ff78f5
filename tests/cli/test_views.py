"""What a run looks like while it goes on, on a terminal and in a pipe."""

import io
from contextlib import nullcontext

import pytest
from rich.console import Console

from orchestration.cli.following import LARGE
from orchestration.cli.printing import Printer
from orchestration.cli.streaming import Feed
from orchestration.cli.views import Board, Lines, Quiet, board, name_of, summary, vectors_in_words, view_for

from .conftest import run, task, without_codes


@pytest.fixture
def terminal():
    printer = Printer()
    screen = io.StringIO()
    printer.console = Console(
        file=screen, force_terminal=True, force_interactive=True, width=100, height=20, markup=False, highlight=False
    )
    return printer


def _drawn(*arguments, height=20, width=100):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, height=height, markup=False, highlight=False)
    for row in board(*arguments, height=height, width=width):
        console.print(row)
    return without_codes(screen.getvalue())


def test_a_task_is_summed_up_with_what_is_known():
    assert summary(task()) == "completed · llama3.2:latest on gpu-a · 2.1 s · 64 tokens, 31.0/s"
    assert summary(task(status="cancelled", node=None, model_used=None, model_name=None, metrics={})) == "cancelled"


def test_steps_are_called_by_their_name():
    assert [name_of(task(step="plan")), name_of(task(title="")), name_of(task())] == ["plan", "generate", "Say hello."]


def test_in_a_pipe_each_task_is_told_once_when_it_has_ended(capsys):
    view = Lines(Printer())
    failed = task(32, status="failed", output=None, error="no node\x1b[2J answers", title="Second")
    view.look(run(task(31), task(32, status="running")), [task(31), task(32, status="running")], {})
    view.look(run(task(31), failed), [task(31), failed], {})
    assert capsys.readouterr().out.splitlines() == [
        "── 31 Say hello. · completed · llama3.2:latest on gpu-a · 2.1 s · 64 tokens, 31.0/s",
        "Hello!",
        "── 32 Second · failed · llama3.2:latest on gpu-a · 2.1 s · 64 tokens, 31.0/s",
        "no node answers",
    ]


def test_what_was_skipped_says_why(capsys):
    skipped = task(output="", skipped_because="the review says no")
    Lines(Printer()).look(run(skipped), [skipped], {})
    assert "skipped: the review says no" in capsys.readouterr().out


def test_vectors_are_told_by_their_size(capsys):
    vectors = task(type="embed", output=[[0.1, 0.2, 0.3], [1, 2, 3]])
    Lines(Printer()).look(run(vectors), [vectors], {})
    assert "2 vectors of 3 numbers" in capsys.readouterr().out
    assert vectors_in_words([0.5, 0.5]) == "A vector of 2 numbers; --json has it."
    assert vectors_in_words({"label": "spam"}) == "{'label': 'spam'}"


def test_of_a_large_run_and_where_nobody_asked_no_outputs_are_told(capsys):
    many = {"pending": 0, "running": 0, "completed": LARGE + 1, "failed": 0, "cancelled": 0}
    Lines(Printer()).look(run(task(), counts=many), [task()], {})
    Lines(Printer(), outputs=False).look(run(task()), [task()], {})
    assert capsys.readouterr().out == ""


def test_a_lost_connection_is_mentioned_once(capsys):
    view = Lines(Printer())
    view.lost("Nothing answers.")
    view.lost("Nothing answers.")
    assert capsys.readouterr().err == "Nothing answers. Trying again …\n"


def test_a_terminal_has_a_bar_for_the_run_and_for_each_task_that_runs():
    running = task(32, status="running", state="generating", progress=40, title="Second")
    waiting = task(33, status="pending", state="waiting", progress=0, title="Third", waiting_reason="busy 4/4 on gpu-a")
    feed = Feed(state="generating", detail="llama3.2 on gpu-a", text="line one\nline two")
    tasks = [task(31), waiting, running]
    shown = [row.rstrip() for row in _drawn(run(*tasks), tasks, {32: feed}).splitlines()]
    assert shown[0].startswith("Run 12  batch")
    assert "1 of 3  1 running  1 pending" in shown[0]
    assert "━━━" in shown[0]
    assert "32 Second" in shown[1]
    assert "writes  llama3.2 on gpu-a" in shown[1]
    assert shown[2:4] == ["    line one", "    line two"]
    assert "33 Third" in shown[4]
    assert "waits  busy 4/4 on gpu-a" in shown[4]


def test_it_never_becomes_taller_than_the_terminal():
    tasks = [task(pk, status="running", state="generating") for pk in range(1, 30)]
    feeds = {pk: Feed(text="many\nlines\n" * 50 + "x" * 5000) for pk in range(1, 5)}
    drawn = _drawn(run(*tasks), tasks, feeds, height=16, width=60)
    assert len(drawn.splitlines()) <= 16
    assert "and 21 more" in drawn
    assert max(map(len, drawn.splitlines())) <= 60


def test_text_of_models_cannot_become_markup_or_movement():
    running = task(32, status="running", state="generating", title="[red]x[/red]\x1b[2J")
    drawn = _drawn(run(running), [running], {32: Feed(text="[blink] b\x1b]0;t\x07oo[/]")})
    assert "[red]x[/red]" in drawn
    assert "[blink] boo[/]" in drawn


def test_the_board_is_live_and_leaves_the_lasting_lines(terminal):
    view, around = view_for(terminal)
    assert isinstance(view, Board)
    with around:
        view.look(run(task(32, status="running")), [task(32, status="running")], {})
        feed = Feed(state="generating", text="Hel")
        view.look(run(task(32, status="running")), [task(32, status="running")], {32: feed})
        feed.text = "Hello, wor"
        view.redraw()
        view.look(run(task(32)), [task(32, output="word " * 40)], {})
    shown = without_codes(terminal.console.file.getvalue())
    assert "0 of 1  1 running" in shown
    assert "    Hello, wor" in shown
    assert "── 32 Say hello. · completed" in shown
    assert "word " * 40 in shown


def test_scripts_and_pipes_get_their_own_view():
    assert isinstance(view_for(Printer(as_json=True))[0], Quiet)
    view, around = view_for(Printer())
    assert type(view) is Lines
    assert isinstance(around, nullcontext)

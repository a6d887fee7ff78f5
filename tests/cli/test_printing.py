"""What is printed has the right form for whoever reads it, and no power over the terminal."""

import io
import json

import pytest
from rich.console import Console

from orchestration.cli.failures import Refused
from orchestration.cli.printing import Printer

from .conftest import without_codes

EVIL = "\x1b]0;owned\x07[bold red]not markup[/] \x9b2J:smile:"


@pytest.fixture
def terminal():
    printer = Printer()
    printer.console = Console(file=io.StringIO(), force_terminal=True, width=60, markup=False, highlight=False)
    return printer


def test_json_is_whole_and_safe_on_a_terminal(capsys):
    Printer(as_json=True).json({"output": EVIL, "name": "Müller"})
    text = capsys.readouterr().out
    assert json.loads(text) == {"output": EVIL, "name": "Müller"}
    assert "Müller" in text
    assert not {"\x1b", "\x9b"} & set(text)


def test_text_of_others_is_neither_markup_nor_control(capsys, terminal):
    printer = Printer()
    printer.output(EVIL)
    printer.say(EVIL)
    printer.note(EVIL)
    printer.table(("a",), [[EVIL]])
    printer.details({"a": EVIL, "b": None, "c": ""})
    captured = capsys.readouterr()
    for line in (captured.out + captured.err).splitlines()[:4]:
        assert "[bold red]not markup[/]" in line or line == "a"
    terminal.table(("a",), [[EVIL]])
    shown = terminal.console.file.getvalue()
    assert "[bold red]not markup[/]" in without_codes(shown)
    assert "owned" not in shown


def test_a_table_in_a_pipe_has_tabs_and_no_frame(capsys):
    Printer().table(("id", "name"), [(1, "two\nlines"), (2, None)])
    assert capsys.readouterr().out == "id\tname\n1\ttwo lines\n2\t\n"


def test_an_empty_table_is_empty_in_a_pipe_and_words_on_a_terminal(capsys, terminal):
    Printer().table(("id",), [], empty="There is nothing.")
    assert capsys.readouterr().out == ""
    terminal.table(("id",), [], empty="There is nothing.")
    assert "There is nothing." in terminal.console.file.getvalue()


def test_long_cells_are_folded_on_a_terminal_and_nothing_is_lost(terminal):
    terminal.table(("name",), [["word " * 40]])
    assert terminal.console.file.getvalue().count("word") == 40


def test_failures_have_their_hint_and_for_scripts_the_answer(capsys):
    payload = {"error": {"code": "conflict", "message": "No.", "detail": {}}}
    Printer(as_json=True).failure(Refused("No.", "Wait.", payload=payload))
    captured = capsys.readouterr()
    assert json.loads(captured.out) == payload
    assert captured.err == "Error: No.\nWait.\n"


def test_several_lines_stand_below_their_name(capsys):
    Printer().details({"id": 1, "system prompt": "Be brief.\nBe kind."})
    assert capsys.readouterr().out == "id:            1\nsystem prompt:\nBe brief.\nBe kind.\n"

"""What start-up shows on a terminal."""

import io

from orchestration.management.terminal import Terminal


class Screen(io.StringIO):
    encoding = "utf-8"

    def __init__(self, *, is_a_terminal=False):
        super().__init__()
        self.is_a_terminal = is_a_terminal

    def isatty(self):
        return self.is_a_terminal


def shown(screen):
    return screen.getvalue().splitlines()


def test_a_finding_has_a_mark_a_name_and_what_mends_it():
    screen = Screen()
    Terminal(screen).tick(False, "redis", "does not answer", "Start it.")
    assert shown(screen) == ["✖ redis     does not answer", "            → Start it."]


def test_a_screen_that_knows_no_unicode_gets_plain_words():
    screen = Screen()
    screen.encoding = "ascii"
    terminal = Terminal(screen)
    terminal.tick(None, "ollama", "none")
    terminal.box(["Open"])
    assert shown(screen) == ["-- ollama    none", "+------+", "| Open |", "+------+"]


def test_every_row_of_the_box_is_equally_wide():
    screen = Screen()
    Terminal(screen).box(["Stop  Ctrl-C", "Open  http://127.0.0.1:8000/start/abc"])
    assert len({len(line) for line in shown(screen)}) == 1


def test_colours_are_for_people_only(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain, coloured = Screen(), Screen(is_a_terminal=True)
    Terminal(plain).child("web", "ready")
    Terminal(coloured).child("web", "ready")
    assert shown(plain) == ["web       | ready"]
    assert "\x1b[" in coloured.getvalue()


def test_a_reader_that_has_gone_away_stops_nothing():
    class Gone(Screen):
        def write(self, text):
            raise BrokenPipeError

    Terminal(Gone()).line("nobody reads this")

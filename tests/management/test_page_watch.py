"""The watcher of a page: what counts as wrong, and which browser it takes."""

import threading

import pytest

from orchestration.management import page_watch
from orchestration.management.page_watch import PageFound

COUNTS = {"pending": 1, "running": 0, "completed": 3, "failed": 0, "cancelled": 0}


class Page:
    """Shows the same all the time."""

    def __init__(self, rows, counts):
        self.shown = {"rows": rows, "counts": counts}

    def evaluate(self, _):
        return self.shown


def looked(rows, counts):
    found = PageFound()
    page_watch._look(Page(rows, counts), 4, found)
    return found


def test_counts_that_sum_up_are_fine():
    found = looked(4, COUNTS)
    assert (found.looks, found.wrong, found.last) == (1, [], COUNTS)


@pytest.mark.parametrize(
    ("rows", "counts"),
    [(5, COUNTS), (4, {**COUNTS, "failed": 1}), (4, {"completed": 4}), (5, {**COUNTS, "failed": 1})],
)
def test_counts_that_do_not_are_noted(rows, counts):
    assert len(looked(rows, counts).wrong) == 1


def test_the_first_browser_that_is_there_is_taken(monkeypatch):
    monkeypatch.setattr(page_watch.shutil, "which", lambda name: f"/usr/bin/{name}" if "chrome" in name else None)
    assert page_watch.browser_path() == "/usr/bin/google-chrome"
    monkeypatch.setattr(page_watch.shutil, "which", lambda name: None)
    assert page_watch.browser_path() is None


def test_the_share_is_of_the_time_that_passed():
    over = threading.Event()
    over.set()

    class Session:
        busy = iter([1.0, 1.0])

        def send(self, name, *_):
            if name != "Performance.getMetrics":
                return {}
            return {
                "metrics": [
                    {"name": "TaskDuration", "value": next(self.busy)},
                    {"name": "JSHeapUsedSize", "value": 2e6},
                ]
            }

    class Context:
        def new_cdp_session(self, _):
            return Session()

    class Following(Page):
        context = Context()

        def wait_for_timeout(self, _):
            """At once."""

    found = PageFound()
    page_watch._follow(Following(4, COUNTS), 4, over, found)
    assert (found.share, found.heap_mb, found.looks) == (0.0, (2.0, 2.0), 1)

"""The places of the site, as the rail lists them and as the letters after g reach them."""

from typing import NamedTuple


class Place(NamedTuple):
    """``key``: the letter after g. ``tab``: whether it has a tab of its own on a phone."""

    section: str
    path: str
    name: str
    icon: str
    key: str
    short: str = ""
    tab: bool = False

    @property
    def label(self) -> str:
        return self.short or self.name


PLACES = (
    Place("overview", "/", "Overview", "overview", "o", tab=True),
    Place("tasks", "/tasks", "Tasks", "tasks", "t", tab=True),
    Place("new", "/new", "New task", "plus", "n", short="New", tab=True),
    Place("chat", "/chat", "Chat", "playground", "c", tab=True),
    Place("batches", "/batches", "Batches", "batches", "b"),
    Place("workflows", "/workflows", "Workflows", "workflows", "w"),
    Place("runs", "/runs", "Runs", "rows", "r"),
    Place("compare", "/compare", "Compare", "compare", "p"),
    Place("bench", "/bench", "Benchmarks", "bench", "e"),
    Place("load", "/load", "Load", "bolt", "l"),
    Place("outputs", "/outputs", "Outputs", "outputs", "u"),
    Place("documents", "/documents", "Documents", "tableview", "d"),
    Place("agents", "/agents", "Agents", "agents", "a"),
    Place("nodes", "/models", "Models & nodes", "fleet", "m", short="Models"),
    Place("settings", "/settings", "Settings", "settings", "s"),
)
_SAME = {"": "overview", "models": "nodes", "matrix": "nodes"}


def section_of(path: str) -> str:
    """The place that a page belongs to."""
    first = path.lstrip("/").partition("/")[0]
    return _SAME.get(first, first)

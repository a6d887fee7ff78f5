"""The matrix: every model on every node, and what may be done with those that are chosen."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.errors import InvalidInput
from orchestration.permissions import Action, Actor, refusal
from orchestration.policy.states import ErrandType
from orchestration.queries.ids import id_of
from orchestration.queries.matrix import MatrixCell, matrix
from orchestration.services import errands, model_pins

Place = tuple[str, int]
MOST_CELLS = 500


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    drawn = matrix()
    context = {
        "matrix": drawn,
        "mismatches": [row for row in drawn["rows"] if row["mismatch"]],
        "why_not": refusal(actor(request), Action.EDIT_MODEL) or "",
        "actions": ACTIONS,
    }
    return render(request, "models/matrix.html", context)


@require_POST
@page
def act(request: HttpRequest) -> HttpResponse:
    """One action on many cells. What makes no sense for a cell is left out, and said."""
    chosen = _chosen(request)
    name = request.POST.get("action", "")
    if name not in _DOES or not chosen:
        raise InvalidInput("Choose some cells, then what to do with them.")
    suits, does = _DOES[name]
    known = {cell["key"]: cell for row in matrix()["rows"] for cell in row["cells"]}
    places = [place for place in chosen if suits(known.get(f"{place[1]}:{place[0]}"))]
    left_out = len(chosen) - len(places)
    if not places:
        raise InvalidInput(f"None of these can be {_PAST[name]}.")
    does(actor(request), places, bool(request.POST.get("force")))
    words = f"{_SAID[name]} {len(places)} of {len(chosen)}." if left_out else f"{_SAID[name]} {len(places)}."
    return done(request, words, level=messages.WARNING if left_out else messages.SUCCESS)


@require_POST
@page
def pull(request: HttpRequest) -> HttpResponse:
    """A model that is on no node yet, by its name."""
    node = request.POST.get("node", "")
    nodes = None if node in ("", "all") else [queries.get_node(node).pk]
    name = request.POST.get("model", "").strip()
    if not name:
        raise InvalidInput("Give the model's name first.", field="model")
    parameters = {"force": bool(request.POST.get("force")), "spelled": errands.spelled([name])}
    order = errands.order(
        actor=actor(request),
        type=ErrandType.PULL,
        places=errands.places_of(ErrandType.PULL, [name], nodes),
        parameters=parameters,
    )
    return done(request, f"{order.run.title}: asked for.")


def _chosen(request: HttpRequest) -> list[Place]:
    """Cells are called ``3:llama3.2:latest``: the node's id, then the model."""
    parts = [cell.partition(":") for cell in request.POST.getlist("cells")[:MOST_CELLS]]
    return [(model, node_id) for number, _, model in parts if (node_id := id_of(number)) and model]


def _ordering(type: ErrandType) -> Callable[[Actor, Sequence[Place], bool], Any]:
    def order(who: Actor, places: Sequence[Place], force: bool) -> Any:
        return errands.order(actor=who, type=type, places=places, parameters={"force": force})

    return order


def _pinning(pinned: bool) -> Callable[[Actor, Sequence[Place], bool], Any]:
    def pin(who: Actor, places: Sequence[Place], force: bool) -> Any:
        return [model_pins.set_pinned(actor=who, node_id=node, model=model, pinned=pinned) for model, node in places]

    return pin


def _anywhere(cell: MatrixCell | None) -> bool:
    return True


def _absent(cell: MatrixCell | None) -> bool:
    return cell is None or cell["state"] == "absent"


def _there(cell: MatrixCell | None) -> bool:
    return not _absent(cell)


def _loaded(cell: MatrixCell | None) -> bool:
    return cell is not None and cell["state"] in ("loaded", "loading")


def _pinned(cell: MatrixCell | None) -> bool:
    return cell is not None and cell["pinned"]


_DOES: dict[str, tuple[Callable[[MatrixCell | None], bool], Callable[[Actor, Sequence[Place], bool], Any]]] = {
    "pull": (_absent, _ordering(ErrandType.PULL)),
    "update": (_there, _ordering(ErrandType.PULL)),
    "load": (_there, _ordering(ErrandType.LOAD)),
    "unload": (_loaded, _ordering(ErrandType.UNLOAD)),
    "pin": (_there, _pinning(True)),
    "unpin": (_pinned, _pinning(False)),
    "delete": (_there, _ordering(ErrandType.DELETE)),
}
_SAID = {
    "pull": "Pulling",
    "update": "Updating",
    "load": "Loading",
    "unload": "Unloading",
    "pin": "Pinned",
    "unpin": "Let go of",
    "delete": "Deleting",
}
_PAST = {
    "pull": "pulled: the model is there already; Update fetches what is newer",
    "update": "updated: the model is not there",
    "load": "loaded: the model is not there",
    "unload": "unloaded: the model is not in memory",
    "pin": "pinned: the model is not there",
    "unpin": "let go: the model is not pinned",
    "delete": "deleted: the model is not there",
}
ACTIONS: tuple[dict[str, str], ...] = (
    {"name": "pull", "title": "Pull", "icon": "pull", "hint": "Onto the disk of nodes that have it not"},
    {"name": "load", "title": "Load", "icon": "zap", "hint": "Into the memory"},
    {"name": "unload", "title": "Unload", "icon": "power", "hint": "Out of the memory; it stays on the disk"},
    {"name": "pin", "title": "Pin", "icon": "star", "hint": "Keeps it in memory"},
    {"name": "unpin", "title": "Unpin", "icon": "undo", "hint": "Lets it go when others need the room"},
    {"name": "update", "title": "Update", "icon": "retry", "hint": "Pulls again what the library has newer"},
    {"name": "delete", "title": "Delete", "icon": "trash", "hint": "From the disk"},
)

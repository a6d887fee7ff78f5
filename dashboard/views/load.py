"""Load over time: of all, of a model, of a node; the numbers themselves come from the REST API."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_safe

from dashboard.views import page
from orchestration import queries
from orchestration.payloads import stamp
from orchestration.queries.history import RANGES, history_range, series_names

SPLITS = (("", "All together"), ("model", "By model"), ("node", "By node"))
USUAL_RANGE = "24h"


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    """The address says what is shown, so that it can be shared."""
    names = series_names().values()
    model, node = request.GET.get("model", ""), request.GET.get("node", "")
    split = request.GET.get("split", "")
    context = {
        "models": sorted({name for _, name in names if name} | {row["name"] for row in queries.known_models()}),
        "nodes": sorted({name for name, _ in names if name} | {row["name"] for row in queries.nodes()}),
        "splits": SPLITS,
        "pivots": SPLITS[1:],
        "chart_model": model,
        "chart_node": node,
        "chart_split": split if split in dict(SPLITS) and not request.GET.get(split) else "",
        **_limits(request),
    }
    return render(request, "load/index.html", context)


def _limits(request: HttpRequest) -> dict[str, Any]:
    """A range that ends now, or the one between two moments; what makes no sense is refused."""
    name = request.GET.get("range", USUAL_RANGE)
    start, end = (_moment(request.GET.get(field, "")) for field in ("start", "end"))
    first, last = history_range(name if name in RANGES else USUAL_RANGE, start, end, timezone.now())
    if start is None:
        return {"chart_range": name if name in RANGES else USUAL_RANGE}
    return {"chart_range": USUAL_RANGE, "chart_start": stamp(first), "chart_end": stamp(last)}


def _moment(text: str) -> Any:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return timezone.make_aware(found) if found is not None and timezone.is_naive(found) else found

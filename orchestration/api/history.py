"""Load over REST: as it is now, and as it was over a range of time."""

import json
from datetime import datetime
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router

from orchestration import queries
from orchestration.api.auth import viewer_of
from orchestration.api.problems import errors
from orchestration.payloads import LoadSample
from orchestration.payloads.history import LoadHistory
from orchestration.queries.history import (
    METRICS,
    MOST_POINTS,
    MOST_TOP,
    POINTS,
    RANGES,
    TOP,
    HistoryFilter,
    Split,
    history_range,
    load_history,
)

router = Router(tags=["load"])

Range = Annotated[str, Query(max_length=10, description=f"Ends now: one of {', '.join(RANGES)}.")]
Moment = Annotated[datetime | None, Query(description="ISO 8601. Instead of a range; the end is now if not sent.")]
Name = Annotated[str, Query(max_length=200, description="Empty: all of them.")]
SplitBy = Annotated[Split, Query(description="A series for each model, or for each node.")]
Wanted = Annotated[str, Query(max_length=400, description=f"With commas between; all if empty: {', '.join(METRICS)}.")]
Points = Annotated[int, Query(ge=2, le=MOST_POINTS, description="At most so many steps.")]
Top = Annotated[int, Query(ge=1, le=MOST_TOP, description="So many series; the rest together is one more.")]


@router.get("/load", response={200: LoadSample, **errors(403)}, summary="What runs and waits where, now")
def get_load(request: HttpRequest) -> LoadSample:
    viewer_of(request)
    return queries.load_sample(timezone.now())


@router.get("/load/history", response={200: LoadHistory, **errors(403)}, summary="Load over a range of time")
def get_load_history(
    request: HttpRequest,
    range: Range = "1h",
    start: Moment = None,
    end: Moment = None,
    model: Name = "",
    node: Name = "",
    split: SplitBy = "",
    metrics: Wanted = "",
    points: Points = POINTS,
    top: Top = TOP,
) -> HttpResponse:
    """Seconds are kept for an hour, minutes for a day, hours for a year."""
    viewer_of(request)
    now = timezone.now()
    first, last = history_range(range, _aware(start), _aware(end), now)
    names = tuple(name.strip() for name in metrics.split(",") if name.strip()) or METRICS
    asked = HistoryFilter(
        start=first, end=last, model=model, node=node, split=split, metrics=names, points=points, top=top
    )
    body = json.dumps(load_history(asked, now), separators=(",", ":"))  # made by us: no need to look through it again
    return HttpResponse(body, content_type="application/json; charset=utf-8")


def _aware(at: datetime | None) -> datetime | None:
    """Without a zone it is meant in Drover's own."""
    return timezone.make_aware(at) if at is not None and timezone.is_naive(at) else at

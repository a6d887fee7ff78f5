"""Statistics over REST: what models, agents, users, nodes and days took."""

from datetime import date
from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from orchestration.api import sheets
from orchestration.api.auth import viewer_of
from orchestration.api.downloads import SheetFormat, described, sheet
from orchestration.api.problems import errors
from orchestration.payloads.statistics import StatisticsPayload, UsageList
from orchestration.queries import statistics as queries
from orchestration.queries.statistics import MOST_DAYS, Range, range_of

router = Router(tags=["outputs"])

First = Annotated[date | None, Query(description="The first day, in UTC.")]
Last = Annotated[date | None, Query(description="The last day, in UTC; today, if left out.")]
Days = Annotated[int | None, Query(ge=1, le=MOST_DAYS, description="So many up to the last day, if there is no first.")]
Name = Annotated[str, Query(max_length=200, description="Only what was of this one.")]


def _range(first: date | None, last: date | None, days: int | None) -> Range:
    return range_of(first, last, days=days)


@router.get(
    "/outputs/stats",
    response={200: StatisticsPayload, **errors(403)},
    summary="What was used, by model, agent, user, node, type and day",
)
def get_statistics(
    request: HttpRequest,
    first_day: First = None,
    last_day: Last = None,
    days: Days = None,
    model: Name = "",
    agent: Name = "",
    user: Name = "",
    node: Name = "",
    type: Name = "",
) -> StatisticsPayload:
    """The last 30 days, if nothing is said. What tasks took stays counted when retention removes them."""
    viewer_of(request)
    named = {"model": model, "agent": agent, "user": user, "node": node, "type": type}
    return queries.statistics(_range(first_day, last_day, days), **named)


@router.get(
    "/statistics/usage",
    response={200: UsageList, **errors(403)},
    summary="GPU-seconds and tokens by user and agent",
    openapi_extra=described("UsageList"),
)
def get_usage(
    request: HttpRequest,
    first_day: First = None,
    last_day: Last = None,
    days: Days = None,
    agent: Name = "",
    user: Name = "",
    wanted: Annotated[SheetFormat, Query(alias="format", description="json, csv or markdown")] = SheetFormat.JSON,
) -> UsageList | HttpResponse:
    viewer_of(request)
    found = queries.by_user_and_agent(_range(first_day, last_day, days), agent=agent, user=user)
    if wanted == SheetFormat.JSON:
        return found
    name = f"usage-{found['first_day']}-{found['last_day']}"
    return sheet(found, wanted, name, {SheetFormat.CSV: sheets.usage_csv, SheetFormat.MARKDOWN: sheets.usage_markdown})

"""The load history's series: written by the leading scheduler, shown here; their points are in the dashboard."""

from django.contrib import admin

from orchestration.admin.base import ReadOnlyAdmin
from orchestration.admin.display import column
from orchestration.models import LoadSeries


def _counted(totals: dict[str, int]) -> str:
    return f"{totals.get('ended', 0):,}"


def _written(totals: dict[str, int]) -> str:
    return f"{totals.get('output_tokens', 0):,}"


@admin.register(LoadSeries)
class LoadSeriesAdmin(ReadOnlyAdmin):
    ended = column("totals", _counted, "ended, in hours that are over")
    written = column("totals", _written, "tokens written")
    list_display = ("__str__", "node", "model_name", "ended", "written")
    list_filter = ("node_name",)
    list_select_related = ("node",)
    search_fields = ("node_name", "model_name")

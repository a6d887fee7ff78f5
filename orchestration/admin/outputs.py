"""Kept answers and collections in the admin, read. They are rated, tagged and collected on their own page."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from orchestration.admin.base import LongAdmin, ReadOnlyAdmin
from orchestration.admin.display import age, column
from orchestration.models import Collection, Output


@admin.register(Output)
class OutputAdmin(LongAdmin, ReadOnlyAdmin):
    page = "output"
    ordering = ("-task_id",)
    ended = column("ended_at", age, "ended")
    removed = column("text_removed_at", age, "text removed")
    list_display = ("task_id", "model_name", "agent_name", "owner", "rating", "chars", "ended", "open_in_drover")
    list_filter = ("rating", "has_json", "type")
    list_select_related = ("owner",)
    search_fields = ("agent_name", "model_name", "note")
    fields = (
        *("task_id", "agent_name", "model_name", "node_name", "owner", "type", "ended", "chars", "has_json"),
        *("rating", "rated_by_name", "note", "tag_list", "removed"),
    )

    @admin.display(description="tags")
    def tag_list(self, output: Output) -> str:
        return ", ".join(output.tags.order_by("tag").values_list("tag", flat=True)) or "—"


@admin.register(Collection)
class CollectionAdmin(ReadOnlyAdmin):
    made = column("created_at", age, "made")
    list_display = ("name", "owner", "size", "made")
    list_filter = ("owner",)
    list_select_related = ("owner",)
    search_fields = ("name", "description")
    fields = ("name", "description", "owner", "size", "made")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows: QuerySet[Any] = super().get_queryset(request)
        found: QuerySet[Any] = rows.annotate(answers=Count("outputs"))
        return found

    @admin.display(description="answers")
    def size(self, collection: Any) -> int:
        return int(collection.answers)

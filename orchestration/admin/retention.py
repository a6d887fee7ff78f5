"""Retention, daily sums and the folder of answers in the admin, read: they have pages of their own."""

from django.contrib import admin
from django.template.defaultfilters import filesizeformat

from orchestration.admin.base import LongAdmin, ReadOnlyAdmin
from orchestration.admin.display import age, column
from orchestration.models import CleanUp, FolderSink, RetentionRule, UsageDay
from orchestration.payloads.retention import removal_of


@admin.register(RetentionRule)
class RetentionRuleAdmin(ReadOnlyAdmin):
    changed = column("updated_at", age, "changed")
    list_display = ("__str__", "text_days", "task_days", "keep_collected", "changed")
    list_filter = ("keep_collected",)
    list_select_related = ("agent",)
    search_fields = ("agent__name",)
    fields = ("agent", "text_days", "task_days", "keep_collected", "changed")


@admin.register(CleanUp)
class CleanUpAdmin(LongAdmin, ReadOnlyAdmin):
    asked = column("at", age, "asked")
    ended = column("ended_at", age, "ended")
    list_display = ("id", "asked", "by_name", "scheduled", "texts", "tasks", "size", "ended")
    list_filter = ("scheduled",)
    search_fields = ("by_name",)
    fields = ("asked", "by_name", "scheduled", "as_of", "rules", "counts", "ended", "stopped_by_name")

    @admin.display(description="texts")
    def texts(self, row: CleanUp) -> int:
        return removal_of(row).total.texts

    @admin.display(description="tasks")
    def tasks(self, row: CleanUp) -> int:
        return removal_of(row).total.tasks

    @admin.display(description="size")
    def size(self, row: CleanUp) -> str:
        return filesizeformat(removal_of(row).total.bytes)


@admin.register(UsageDay)
class UsageDayAdmin(LongAdmin, ReadOnlyAdmin):
    list_display = ("day", "share", "agent_name", "model_name", "node_name", "type", "completed", "failed", "seconds")
    list_filter = ("type",)
    search_fields = ("agent_name", "model_name", "node_name")

    @admin.display(description="GPU seconds")
    def seconds(self, row: UsageDay) -> str:
        return f"{row.load_seconds + row.prefill_seconds + row.decode_seconds:,.1f}"


@admin.register(FolderSink)
class FolderSinkAdmin(ReadOnlyAdmin):
    written = column("written_at", age, "last written")
    list_display = ("folder", "files", "written", "problem")
    list_filter = ("problem",)
    search_fields = ("folder",)

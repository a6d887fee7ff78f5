"""The audit trail and the attempts: histories, read-only for everybody."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

from orchestration.admin.base import LongAdmin, ReadOnlyAdmin
from orchestration.admin.display import age, as_json, column, link, moment, seconds, state
from orchestration.models import Attempt, AuditEntry


class ObjectTypeFilter(admin.SimpleListFilter):
    title = "object"
    parameter_name = "object_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        tables = sorted(model_admin.admin_site._registry, key=lambda table: str(table._meta.verbose_name))
        return [(table._meta.model_name, str(table._meta.verbose_name)) for table in tables]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[AuditEntry]") -> "QuerySet[AuditEntry]":
        return queryset.filter(object_type=self.value()) if self.value() else queryset


class DoorFilter(admin.SimpleListFilter):
    title = "door"
    parameter_name = "via"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(via, via) for via in ("web", "api", "admin", "system")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[AuditEntry]") -> "QuerySet[AuditEntry]":
        return queryset.filter(via=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(LongAdmin, ReadOnlyAdmin):
    when = column("at", age, "when")
    exactly = column("at", moment, "at")
    what = column("detail", as_json)
    list_display = ("id", "when", "actor_name", "action", "object_link", "via", "ip")
    list_filter = (ObjectTypeFilter, DoorFilter, "at")
    search_fields = ("actor_name", "action", "object_name")
    fields = ("exactly", "actor_name", "via", "ip", "action", "object_type", "object_id", "object_link", "what")

    @admin.display(description="object")
    def object_link(self, entry: AuditEntry) -> SafeString | str:
        """Names stay readable when the object is gone; the link then leads to a page that says so."""
        if entry.object_id is None or entry.action.endswith(".deleted"):
            return entry.object_name
        try:
            url = reverse(f"admin:orchestration_{entry.object_type}_change", args=[entry.object_id])
        except NoReverseMatch:
            return entry.object_name
        return link(url, entry.object_name)


@admin.register(Attempt)
class AttemptAdmin(LongAdmin, ReadOnlyAdmin):
    since = column("granted_at", age, "granted")
    granted = column("granted_at", moment)
    started = column("started_at", moment)
    first_token = column("first_token_at", moment)
    ended = column("ended_at", moment)
    lease = column("lease_until", moment, "lease until")
    retry = column("retry_at", moment, "retry at")
    load = column("load_seconds", seconds, "model load")
    prefill = column("prefill_seconds", seconds, "prefill")
    decode = column("decode_seconds", seconds, "decode")
    sent = column("request", as_json, "as sent")

    list_display = ("id", "state", "task_link", "number", "model_name", "node_name", "worker", "since", "error_code")
    list_filter = ("status", "node", "granted_at")
    search_fields = ("model_name", "node_name", "worker", "error_code")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "state",
                    "task_link",
                    "number",
                    "counts_as_try",
                    "error_code",
                    "error",
                    "follow_up",
                    "node_fault",
                )
            },
        ),
        ("Where", {"fields": ("model_name", "node", "node_name", "slot", "num_ctx", "worker", "queue")}),
        ("Why there", {"fields": ("decision_reason",)}),
        (
            "When",
            {"fields": ("granted", "started", "first_token", "ended", "lease", "retry")},
        ),
        ("Where the time went", {"fields": ("load", "prefill", "decode", "prompt_tokens", "output_tokens")}),
        ("Request", {"fields": ("sent",)}),
    )

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Attempt]":
        rows = super().get_queryset(request)
        in_list = request.resolver_match and request.resolver_match.url_name == "orchestration_attempt_changelist"
        return rows.defer("request", "error") if in_list else rows

    @admin.display(description="state")
    def state(self, attempt: Attempt) -> SafeString:
        return state(attempt.status)

    @admin.display(description="task")
    def task_link(self, attempt: Attempt) -> SafeString | str:
        return link(reverse("admin:orchestration_task_change", args=[attempt.task_id]), f"task {attempt.task_id}")

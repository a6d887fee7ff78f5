"""The audit trail and the attempts: histories, read-only for everybody."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString

from orchestration.admin.base import LongAdmin, ReadOnlyAdmin
from orchestration.admin.display import age, as_json, link, seconds, state
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
    list_display = ("id", "when", "actor_name", "action", "object_link", "via", "ip")
    list_filter = (ObjectTypeFilter, DoorFilter, "at")
    search_fields = ("actor_name", "action", "object_name")
    fields = ("at", "actor_name", "via", "ip", "action", "object_type", "object_id", "object_link", "what")

    @admin.display(description="when")
    def when(self, entry: AuditEntry) -> SafeString | str:
        return age(entry.at)

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

    @admin.display(description="detail")
    def what(self, entry: AuditEntry) -> SafeString | str:
        return as_json(entry.detail)


@admin.register(Attempt)
class AttemptAdmin(LongAdmin, ReadOnlyAdmin):
    list_display = ("id", "state", "task_link", "number", "model_name", "node_name", "worker", "granted", "error_code")
    list_filter = ("status", "node", "granted_at")
    search_fields = ("model_name", "node_name", "worker", "error_code")
    fieldsets = (
        (None, {"fields": ("state", "task_link", "number", "counts_as_try", "error_code", "error")}),
        ("Where", {"fields": ("model_name", "node", "node_name", "slot", "num_ctx", "worker", "queue")}),
        ("Why there", {"fields": ("decision_reason",)}),
        (
            "When",
            {"fields": ("granted_at", "started_at", "first_token_at", "ended_at", "lease_until", "retry_at")},
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

    @admin.display(description="granted")
    def granted(self, attempt: Attempt) -> SafeString | str:
        return age(attempt.granted_at)

    @admin.display(description="model load")
    def load(self, attempt: Attempt) -> str:
        return seconds(attempt.load_seconds)

    @admin.display(description="prefill")
    def prefill(self, attempt: Attempt) -> str:
        return seconds(attempt.prefill_seconds)

    @admin.display(description="decode")
    def decode(self, attempt: Attempt) -> str:
        return seconds(attempt.decode_seconds)

    @admin.display(description="as sent")
    def sent(self, attempt: Attempt) -> SafeString | str:
        return as_json(attempt.request)

"""Runs in the admin: read, and cancelled as a whole."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from orchestration.admin.base import LongAdmin, ReadOnlyAdmin, actor_of
from orchestration.admin.display import age, column, link
from orchestration.models import Run
from orchestration.permissions import Action, allowed
from orchestration.services import runs


@admin.register(Run)
class RunAdmin(LongAdmin, ReadOnlyAdmin):
    page = "run"
    created = column("created_at", age, "submitted")
    list_display = ("id", "kind", "title", "agent_name", "owner", "tasks_link", "created", "open_in_drover")
    list_filter = ("kind", "agent", "owner", "created_at")
    list_select_related = ("owner",)
    search_fields = ("title", "agent_name", "idempotency_key")
    actions = ("cancel",)
    fields = (
        *("kind", "title", "agent", "agent_name", "owner", "tasks_link", "created", "workflow_version", "rerun_of"),
        *("continue_on_error", "max_parallel", "stop_failed_percent", "deadline_at", "max_tokens", "max_steps"),
        *("paused_at", "paused_by_name", "stopped_reason", "idempotency_key", "spec", "inputs"),
    )

    @admin.display(description="tasks")
    def tasks_link(self, run: Run) -> SafeString | str:
        return link(f"{reverse('admin:orchestration_task_changelist')}?run__id__exact={run.pk}", "its tasks")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return allowed(actor_of(request), Action.CANCEL_TASK)

    @admin.action(description="Cancel what is unfinished", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: "QuerySet[Run]") -> None:
        count = sum(runs.cancel(actor=actor_of(request), run_id=run.pk) for run in queryset)
        self.message_user(request, f"Tasks cancelled: {count}.", messages.SUCCESS)

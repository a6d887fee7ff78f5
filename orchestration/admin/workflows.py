"""Workflows in the admin: read. They are changed on their own page, where each change makes a version."""

from django.contrib import admin
from django.utils.safestring import SafeString

from orchestration.admin.base import LongAdmin, ReadOnlyAdmin
from orchestration.admin.display import age, column, text
from orchestration.models import Workflow
from orchestration.policy.workflow_text import to_yaml


@admin.register(Workflow)
class WorkflowAdmin(LongAdmin, ReadOnlyAdmin):
    page = "workflow"
    changed = column("updated_at", age, "changed")
    list_display = ("id", "name", "agent", "owner", "latest", "changed", "open_in_drover")
    list_filter = ("agent", "owner", "updated_at")
    list_select_related = ("agent", "owner")
    search_fields = ("name", "description")
    fields = ("name", "description", "agent", "owner", "latest", "changed", "definition")

    @admin.display(description="newest version")
    def definition(self, workflow: Workflow) -> SafeString | str:
        version = workflow.versions.first()
        return text(to_yaml(version.definition)) if version else "—"

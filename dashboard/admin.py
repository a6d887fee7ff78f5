"""The admin site: its name, its sections, its way back to the dashboard."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse

from dashboard.login import AdminLoginForm
from orchestration.models import AuditEntry

SECTIONS = {
    "Work": ("Task", "Run", "Attempt", "Agent", "Workflow", "Pause"),
    "Talk": ("Conversation", "Turn", "Memory", "Document"),
    "Answers": ("Output", "Collection", "RetentionRule", "CleanUp", "UsageDay", "FolderSink"),
    "Fleet": (
        "Node",
        "HealthChange",
        "OllamaModel",
        "NodeModel",
        "ModelDetails",
        "CatalogueEntry",
        "ModelConfig",
        "Preset",
        "FleetDefaults",
        "LoadSeries",
        "Pull",
    ),
    "People": ("User", "ApiKey"),
    "System": ("AuditEntry", "WorkerProcess", "RoleLease"),
}
RECENT = 10


class DroverAdminSite(AdminSite):
    site_header = "Drover admin"
    site_title = "Drover admin"
    index_title = "Admin"
    empty_value_display = "—"
    login_form = AdminLoginForm

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Sections by what people look for, not by Django application. A table nobody placed comes last."""
        apps = super().get_app_list(request, app_label)
        if app_label:
            return apps
        left = {model["object_name"]: model for app in apps for model in app["models"]}
        home = reverse("admin:index", current_app=self.name)
        sections = [
            {
                "name": title,
                "app_label": title.lower(),
                "app_url": home,
                "has_module_perms": True,
                "models": [left.pop(name) for name in names if name in left],
            }
            for title, names in SECTIONS.items()
        ]
        other = {"name": "Other", "app_label": "other", "app_url": home, "has_module_perms": True}
        return [section for section in [*sections, {**other, "models": list(left.values())}] if section["models"]]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "site_url": _address("overview"), "rq_url": _address("django_rq:home")}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(request, {"recent": AuditEntry.objects.all()[:RECENT], **(extra_context or {})})


def _address(name: str) -> str | None:
    try:
        return reverse(name)
    except NoReverseMatch:
        return None

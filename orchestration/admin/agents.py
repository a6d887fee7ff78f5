"""Agents in the admin. One with unfinished tasks is deleted only when these are cancelled with it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from orchestration.admin.base import ServiceAdmin, actor_of
from orchestration.admin.display import age, column, moment
from orchestration.admin.forms import RefusableForm
from orchestration.models import Agent, Task
from orchestration.permissions import Action
from orchestration.policy.states import UNFINISHED
from orchestration.services import agents
from orchestration.services.tries import RETRY_FIELDS


class AgentForm(RefusableForm):
    """An empty system prompt says nothing, and its kind's applies; that there is to be none at all, other doors say."""

    def clean_system_prompt(self) -> str | None:
        return self.cleaned_data["system_prompt"] or ("" if self.instance.system_prompt == "" else None)


@admin.register(Agent)
class AgentAdmin(ServiceAdmin):
    service = agents
    id_name = "agent_id"
    words = ("models", "retry_on", "fallbacks", "prefer_labels")
    form = AgentForm
    add_action = change_action = delete_action = Action.EDIT_AGENT
    page = "agent"
    deleting = "Its tasks stay readable under its name."
    delete_confirmation_template = "admin/orchestration/agent/delete_confirmation.html"
    created = column("created_at", moment)
    changed = column("updated_at", age, "changed")

    list_display = (
        "name",
        "kind",
        "allowed_models",
        "default_model",
        "max_concurrent_tasks",
        "owner",
        "changed",
        "open_in_drover",
    )
    list_filter = ("kind", "owner")
    list_select_related = ("owner",)
    search_fields = ("name", "description", "models", "default_model")
    readonly_fields = ("owner", "created", "changed")
    fieldsets = (
        (None, {"fields": ("name", "description", "kind", "system_prompt", "think", "memory_enabled")}),
        ("Models", {"fields": ("models", "default_model", "fallbacks", "prefer_labels", "routing_preferences")}),
        ("Answers", {"fields": ("preset", "options", "answer_schema")}),
        ("Extensions", {"fields": ("router", "extension")}),
        ("Limits", {"fields": ("max_concurrent_tasks", "timeout_seconds")}),
        ("When a try fails", {"fields": RETRY_FIELDS}),
        ("History", {"fields": readonly_fields}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:-1]

    @admin.display(description="models")
    def allowed_models(self, agent: Agent) -> str:
        return ", ".join(agent.models) or "any"

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        unfinished = Task.objects.filter(agent_id=object_id, status__in=UNFINISHED)[:1_000].count()
        return super().delete_view(request, object_id, {"unfinished": unfinished, **(extra_context or {})})

    def delete_model(self, request: HttpRequest, obj: Agent) -> None:
        agents.delete(actor=actor_of(request), agent_id=obj.pk, cancel_tasks="cancel_tasks" in request.POST)

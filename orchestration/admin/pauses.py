"""Pauses in the admin: adding one pauses, deleting one resumes."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from orchestration import queries
from orchestration.admin.base import ServiceAdmin, actor_of
from orchestration.admin.display import age, column
from orchestration.models import Agent, Pause
from orchestration.permissions import Action
from orchestration.policy.states import PauseKind
from orchestration.services import pauses


@admin.register(Pause)
class PauseAdmin(ServiceAdmin):
    add_action = delete_action = Action.PAUSE_AGENT
    deleting = "That resumes it: what it held back starts again."
    since = column("paused_at", age, "since")

    list_display = ("what", "kind", "paused_by_name", "since", "note")
    list_filter = ("kind",)
    search_fields = ("key", "paused_by_name", "note")
    actions = ("resume",)
    fields = ("kind", "key", "note")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("what", "kind", "key", "note", "paused_by_name", "since") if obj else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("what", "since") if obj else ()

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "key":
            kwargs["help_text"] = "A priority (0 to 2 or its word), an agent's id, or a model's name."
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By what is paused: an agent is its owner's affair too."""
        if obj is None:
            return super().has_delete_permission(request)
        agent = Agent.objects.filter(pk=int(obj.key)).first() if obj.kind == PauseKind.AGENT else None
        return self._may(request, pauses.action_for(obj.kind), agent)

    @admin.display(description="what", ordering="key")
    def what(self, row: Pause) -> str:
        return queries.pauses.words().get((row.kind, row.key), str(row)).partition(" paused by ")[0]

    @admin.action(description="Resume: let it start again", permissions=["delete"])
    def resume(self, request: HttpRequest, queryset: "QuerySet[Pause]") -> None:
        rows = list(queryset)
        self.delete_queryset(request, queryset)
        self.message_user(request, f"Resumed: {', '.join(map(str, rows))}.", messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        row, _ = pauses.pause(actor=actor_of(request), **form.cleaned_data)
        obj.pk = row.pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        pauses.resume(actor=actor_of(request), kind=obj.kind, key=obj.key)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        with transaction.atomic():
            for row in queryset:
                self.delete_model(request, row)

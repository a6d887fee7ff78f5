"""What the team decides about a model, in the admin."""

from django.contrib import admin

from orchestration.admin.base import ServiceAdmin
from orchestration.admin.display import age, column
from orchestration.models import ModelConfig
from orchestration.permissions import Action
from orchestration.services import model_configs
from orchestration.services.tries import RETRY_FIELDS


@admin.register(ModelConfig)
class ModelConfigAdmin(ServiceAdmin):
    service = model_configs
    id_name = "config_id"
    words = ("labels", "fallbacks", "allowed_nodes", "retry_on")
    add_action = change_action = delete_action = Action.EDIT_MODEL
    deleting = "The model goes back to the defaults. It stays installed where it is."
    changed = column("updated_at", age, "changed")

    list_display = ("model_name", "enabled", "priority", "max_concurrent_requests", "timeout_seconds", "changed")
    list_filter = ("enabled",)
    search_fields = ("model_name", "labels", "fallbacks")
    fieldsets = (
        (None, {"fields": ("model_name", "enabled", "priority", "description", "allowed_nodes")}),
        ("Limits", {"fields": ("max_concurrent_requests", "timeout_seconds", "keep_alive_seconds")}),
        ("When a try fails", {"fields": RETRY_FIELDS}),
        ("Requests", {"fields": ("preset", "options", "think", "fallbacks", "labels")}),
    )

"""Presets and the fleet's defaults in the admin."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from orchestration.admin.base import ReadOnlyAdmin, ServiceAdmin
from orchestration.admin.display import age, column
from orchestration.models import FleetDefaults, Preset
from orchestration.permissions import Action
from orchestration.services import presets


@admin.register(Preset)
class PresetAdmin(ServiceAdmin):
    service = presets
    id_name = "preset_id"
    page = "preset"
    add_action = Action.ADD_PRESET
    change_action = delete_action = Action.EDIT_MODEL
    deleting = "One that something names is not deleted."

    list_display = ("name", "description", "options", "built_in", "open_in_drover")
    list_filter = ("built_in",)
    search_fields = ("name", "description")
    fields = ("name", "description", "options", "think")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.built_in)


@admin.register(FleetDefaults)
class FleetDefaultsAdmin(ReadOnlyAdmin):
    """Changed under Settings."""

    changed = column("updated_at", age, "changed")
    list_display = ("__str__", "default_model", "preset", "options", "changed")
    list_filter = ("preset",)
    search_fields = ("default_model", "preset")

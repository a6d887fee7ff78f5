"""Models as the fleet has them, and as they can be got: written by the scheduler, shown here."""

from django.contrib import admin
from django.utils.safestring import SafeString

from orchestration.admin.base import ReadOnlyAdmin
from orchestration.admin.display import age, column, listed, size, state
from orchestration.models import CatalogueEntry, ModelDetails, NodeModel, OllamaModel, Pull


@admin.register(OllamaModel)
class OllamaModelAdmin(ReadOnlyAdmin):
    on_disk = column("size_bytes", size, "size")
    able_to = column("capabilities", listed)
    list_display = ("name", "family", "parameter_size", "quantization", "context_length", "on_disk", "able_to")
    list_filter = ("family", "quantization")
    search_fields = ("name", "family", "capabilities")


@admin.register(NodeModel)
class NodeModelAdmin(ReadOnlyAdmin):
    on_disk = column("size_bytes", size, "size")
    in_memory = column("vram_bytes", size, "VRAM")
    list_display = ("model", "node", "where", "on_disk", "in_memory", "loaded_context", "unloads")
    list_display_links = ("model",)
    list_filter = ("node", "loaded", "installed")
    list_select_related = ("model", "node")
    search_fields = ("model__name", "node__name", "digest")

    @admin.display(description="state", ordering="loaded")
    def where(self, row: NodeModel) -> SafeString:
        if row.loaded:
            return state("running", label="loaded")
        return state("waiting", label="on disk") if row.installed else state("cancelled", label="gone")

    @admin.display(description="unloads", ordering="expires_at")
    def unloads(self, row: NodeModel) -> SafeString | str:
        return age(row.expires_at) if row.loaded else "—"


@admin.register(ModelDetails)
class ModelDetailsAdmin(ReadOnlyAdmin):
    told = column("fetched_at", age, "told")
    list_display = ("digest", "told")
    list_filter = ("fetched_at",)
    search_fields = ("digest", "license")


@admin.register(CatalogueEntry)
class CatalogueEntryAdmin(ReadOnlyAdmin):
    able_to = column("capabilities", listed)
    told = column("fetched_at", age, "told")
    list_display = ("name", "description", "able_to", "told")
    list_filter = ("fetched_at",)
    search_fields = ("name", "description", "capabilities")


@admin.register(Pull)
class PullAdmin(ReadOnlyAdmin):
    done = column("done_bytes", size, "done")
    of = column("total_bytes", size, "of")
    told = column("updated_at", age, "told")
    list_display = ("task", "stage", "done", "of", "told")
    list_filter = ("task__status",)
    list_select_related = ("task",)
    search_fields = ("task__title", "stage")

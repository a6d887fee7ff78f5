"""Models as the fleet has them: written by the monitor, shown here."""

from django.contrib import admin
from django.utils.safestring import SafeString

from orchestration.admin.base import ReadOnlyAdmin
from orchestration.admin.display import age, size, state
from orchestration.models import NodeModel, OllamaModel


@admin.register(OllamaModel)
class OllamaModelAdmin(ReadOnlyAdmin):
    list_display = ("name", "family", "parameter_size", "quantization", "context_length", "on_disk", "able_to")
    list_filter = ("family", "quantization")
    search_fields = ("name", "family", "capabilities")

    @admin.display(description="size", ordering="size_bytes")
    def on_disk(self, model: OllamaModel) -> str:
        return size(model.size_bytes)

    @admin.display(description="capabilities")
    def able_to(self, model: OllamaModel) -> str:
        return ", ".join(model.capabilities) or "—"


@admin.register(NodeModel)
class NodeModelAdmin(ReadOnlyAdmin):
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

    @admin.display(description="size", ordering="size_bytes")
    def on_disk(self, row: NodeModel) -> str:
        return size(row.size_bytes)

    @admin.display(description="VRAM", ordering="vram_bytes")
    def in_memory(self, row: NodeModel) -> str:
        return size(row.vram_bytes)

    @admin.display(description="unloads", ordering="expires_at")
    def unloads(self, row: NodeModel) -> SafeString | str:
        return age(row.expires_at) if row.loaded else "—"

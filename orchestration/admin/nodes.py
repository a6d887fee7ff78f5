"""Nodes in the admin: added, changed, drained and removed through their service."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from orchestration.admin.base import ReadOnlyAdmin, ServiceAdmin, actor_of
from orchestration.admin.display import age, column, milliseconds, size, state
from orchestration.models import HealthChange, Node
from orchestration.payloads.fleet import node_status
from orchestration.permissions import Action
from orchestration.services import nodes


@admin.register(Node)
class NodeAdmin(ServiceAdmin):
    service = nodes
    id_name = "node_id"
    words = ("labels",)
    add_action = change_action = delete_action = Action.EDIT_NODE
    page = "node"
    deleting = "What runs on it moves to another node. Its name stays in the history of its tasks."
    vram = column("vram_bytes", size, "VRAM")
    seen = column("seen_at", age, "last answer")
    polled = column("polled_at", age, "last looked at")
    latency = column("latency_seconds", milliseconds)

    list_display = ("name", "status", "base_url", "slots_per_model", "vram", "ollama_version", "seen", "open_in_drover")
    list_filter = ("health", "enabled", "draining", "simulated")
    search_fields = ("name", "base_url", "labels")
    actions = ("drain", "resume", "close_circuit")
    readonly_fields = (
        "status",
        "health_reason",
        "circuit_words",
        "draining",
        "drain_note",
        "drain_until",
        "drained_by",
        "sent_along",
        "simulated",
        "ollama_version",
        "seen",
        "polled",
        "latency",
    )
    fieldsets = (
        (None, {"fields": ("name", "base_url", "verify_tls", "enabled")}),
        ("Capacity", {"fields": ("slots_per_model", "vram_bytes", "disk_bytes", "labels")}),
        ("As last seen", {"fields": readonly_fields}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fieldsets if obj else self.fieldsets[:2]

    @admin.display(description="state", ordering="health")
    def status(self, node: Node) -> SafeString:
        return state(node_status(node))

    @admin.display(description="headers")
    def sent_along(self, node: Node) -> str:
        """Their values are entered on the node's page in Drover, and shown nowhere."""
        return ", ".join(node.header_names) or "none"

    @admin.display(description="circuit")
    def circuit_words(self, node: Node) -> str:
        return node.circuit.words(timezone.now()) or "closed"

    @admin.action(description="Close the circuit: send it work again at once", permissions=["change"])
    def close_circuit(self, request: HttpRequest, queryset: "QuerySet[Node]") -> None:
        names = [nodes.reset_circuit(actor=actor_of(request), node_id=row.pk).name for row in queryset]
        self.message_user(request, f"Gets work again: {', '.join(names)}.", messages.SUCCESS)

    @admin.action(description="Drain: finish, take nothing new", permissions=["change"])
    def drain(self, request: HttpRequest, queryset: "QuerySet[Node]") -> None:
        self._set_draining(request, queryset, draining=True)

    @admin.action(description="Resume: take work again", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: "QuerySet[Node]") -> None:
        self._set_draining(request, queryset, draining=False)

    def _set_draining(self, request: HttpRequest, queryset: "QuerySet[Node]", *, draining: bool) -> None:
        chosen = [nodes.set_draining(actor=actor_of(request), node_id=row.pk, draining=draining) for row in queryset]
        names = ", ".join(node.name for node in chosen)
        self.message_user(request, f"{'Draining' if draining else 'Resumed'}: {names}.", messages.SUCCESS)


@admin.register(HealthChange)
class HealthChangeAdmin(ReadOnlyAdmin):
    when = column("at", age, "when")
    list_display = ("__str__", "node", "status", "reason", "when")
    list_filter = ("health",)
    list_select_related = ("node",)
    search_fields = ("node__name", "reason")

    @admin.display(description="health", ordering="health")
    def status(self, change: HealthChange) -> SafeString:
        return state(change.health)

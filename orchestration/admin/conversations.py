"""Conversations and what agents remember in the admin: read. They are changed where they are held."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from orchestration.admin.base import LongAdmin, ReadOnlyAdmin
from orchestration.admin.display import age, column, dashboard_url, link
from orchestration.models import Conversation, Memory, Turn


@admin.register(Conversation)
class ConversationAdmin(LongAdmin, ReadOnlyAdmin):
    page = "conversation"
    begun = column("created_at", age, "begun")
    changed = column("updated_at", age, "changed")
    list_display = ("id", "called", "agent_name", "owner", "turns_link", "changed", "open_in_drover")
    list_filter = ("agent", "owner", "updated_at")
    list_select_related = ("owner",)
    search_fields = ("title", "agent_name")
    fields = ("title", "agent", "agent_name", "owner", "turns_link", "papers", "begun", "changed")

    @admin.display(description="title")
    def called(self, conversation: Conversation) -> str:
        return str(conversation)

    @admin.display(description="turns")
    def turns_link(self, conversation: Conversation) -> SafeString | str:
        turns = reverse("admin:orchestration_turn_changelist")
        return link(f"{turns}?conversation__id__exact={conversation.pk}", "its turns")

    @admin.display(description="documents")
    def papers(self, conversation: Conversation) -> str:
        return ", ".join(conversation.documents.values_list("name", flat=True)) or "—"


@admin.register(Turn)
class TurnAdmin(LongAdmin, ReadOnlyAdmin):
    made = column("created_at", age, "said")
    list_display = ("id", "conversation", "beginning", "image_count", "task_link", "made")
    list_filter = ("created_at",)
    list_select_related = ("conversation",)
    search_fields = ("text",)
    fields = ("conversation", "parent", "text", "image_count", "task_link", "made")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Turn]":
        return super().get_queryset(request).defer("images")

    @admin.display(description="text")
    def beginning(self, turn: Turn) -> str:
        return turn.text if len(turn.text) <= 80 else f"{turn.text[:79]}…"

    @admin.display(description="answer")
    def task_link(self, turn: Turn) -> SafeString | str:
        if turn.task_id is None:
            return "deleted"
        return link(reverse("admin:orchestration_task_change", args=[turn.task_id]), f"task {turn.task_id}")


@admin.register(Memory)
class MemoryAdmin(LongAdmin, ReadOnlyAdmin):
    since = column("created_at", age, "since")
    list_display = ("id", "text", "agent", "source", "author_name", "since", "open_in_drover")
    list_filter = ("source", "created_at")
    list_select_related = ("agent",)
    search_fields = ("text", "agent__name", "author_name")
    fields = ("text", "agent", "source", "author", "author_name", "conversation", "since")

    def view_on_site(self, obj: Memory) -> str | None:  # type: ignore[override]
        return dashboard_url("agent", obj.agent_id)

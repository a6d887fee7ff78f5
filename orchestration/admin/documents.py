"""Documents in the admin: what is kept of them, read. They are uploaded and deleted on their own page."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils.safestring import SafeString

from orchestration.admin.base import LongAdmin, ReadOnlyAdmin
from orchestration.admin.display import age, column, text
from orchestration.models import Document

SHOWN = 20_000
"""Characters of a text."""


@admin.register(Document)
class DocumentAdmin(LongAdmin, ReadOnlyAdmin):
    page = "document"
    uploaded = column("created_at", age, "uploaded")
    size = column("size_bytes", filesizeformat, "size")
    list_display = ("id", "name", "media_type", "size", "tokens", "owner", "uploaded", "open_in_drover")
    list_filter = ("media_type", "owner", "created_at")
    list_select_related = ("owner",)
    search_fields = ("name",)
    fields = ("name", "media_type", "owner", "size", "characters", "tokens", "pages", "sha256", "uploaded", "beginning")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).defer("text")

    @admin.display(description="text")
    def beginning(self, document: Document) -> SafeString | str:
        return text(document.text if len(document.text) <= SHOWN else f"{document.text[:SHOWN]}…")

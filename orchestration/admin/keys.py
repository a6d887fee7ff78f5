"""API keys in the admin: made, shown once, revoked; for admins only."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from orchestration.admin.base import ServiceAdmin, actor_of
from orchestration.admin.display import age, column, state
from orchestration.models import ApiKey
from orchestration.permissions import Action, Role
from orchestration.services import keys


@admin.register(ApiKey)
class ApiKeyAdmin(ServiceAdmin):
    created = column("created_at", age)
    used = column("last_used_at", age, "last used")
    view_action = add_action = Action.MANAGE_USERS
    list_display = ("name", "prefix", "standing", "owner", "role", "created", "used", "expires_at")
    list_filter = ("role", "owner", "revoked_at", "expires_at")
    list_select_related = ("owner",)
    search_fields = ("name", "prefix", "owner__username")
    autocomplete_fields = ("owner",)
    actions = ("revoke",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        typed = ("owner", "name", "role", "expires_at")
        return (*typed, "prefix", "standing", "created", "used", "revoked_at") if obj else typed

    @admin.display(description="state")
    def standing(self, key: ApiKey) -> SafeString:
        if key.revoked_at:
            return state("cancelled", label="revoked")
        expired = key.expires_at is not None and key.expires_at <= timezone.now()
        return state("cancelled", label="expired") if expired else state("completed", label="valid")

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        fields = {**form.cleaned_data, "role": Role(form.cleaned_data["role"])}
        key, secret = keys.create(actor=actor_of(request), **fields)
        obj.pk = key.pk
        obj.refresh_from_db()
        request.secret = secret  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        """The secret is shown in the answer itself: a redirect would carry it through a cookie."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"API key “{obj.name}”",
            "secret": request.secret,  # type: ignore[attr-defined]
            "key": obj,
            "opts": self.opts,
        }
        headers = {"Cache-Control": "no-store"}
        return TemplateResponse(request, "admin/orchestration/apikey/secret.html", context, headers=headers)

    @admin.action(description="Revoke", permissions=["add"])
    def revoke(self, request: HttpRequest, queryset: "QuerySet[ApiKey]") -> None:
        names = [keys.revoke(actor=actor_of(request), key_id=key.pk).name for key in queryset]
        self.message_user(request, f"Revoked: {', '.join(names)}.", messages.SUCCESS)

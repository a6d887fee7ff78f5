"""What every admin page shares: permissions by role, writes through services, lists that stay fast when long."""

from types import ModuleType
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Field, JSONField, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orchestration.admin.display import dashboard_url
from orchestration.admin.forms import RefusableForm, WordsField
from orchestration.errors import DroverError
from orchestration.models import User
from orchestration.permissions import Action, Actor, allowed
from orchestration.services import users

COUNTED = 10_000
AT_ONCE = 1_000


def actor_of(request: HttpRequest) -> Actor:
    return users.actor_of(cast(User, request.user), via="admin", ip=request.META.get("REMOTE_ADDR") or None)


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than anybody pages: counting a million rows takes longer than reading fifty of them."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by().values("pk")[:COUNTED].count()

    @property
    def capped(self) -> bool:
        return self.count == COUNTED


class DroverAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Lists and pages by role. Adding, changing and deleting are closed unless an action is named for them."""

    view_action: Action = Action.VIEW
    add_action: Action | None = None
    change_action: Action | None = None
    delete_action: Action | None = None
    page: str = ""
    """The URL name of an object's page in the dashboard."""
    deleting: str = "It cannot be brought back."
    """What deleting means, said on the confirmation page."""

    form = RefusableForm
    list_per_page = 50
    show_full_result_count = False
    empty_value_display = "—"

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, self.view_action)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self._may(request, self.add_action)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, self.change_action, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may(request, self.delete_action, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def _may(self, request: HttpRequest, action: Action | None, obj: Any = None) -> bool:
        if action is None or not isinstance(request.user, User):
            return False
        return allowed(actor_of(request), action, obj if hasattr(obj, "owner_id") else None)

    def view_on_site(self, obj: Model) -> str | None:
        return dashboard_url(self.page, obj.pk) if self.page else None

    @admin.display(description="Drover")
    def open_in_drover(self, obj: Model) -> SafeString | str:
        url = self.view_on_site(obj)
        words = '<a class="open" href="{}" title="View in Drover" aria-label="View {} in Drover">↗</a>'
        return format_html(words, url, obj) if url else "—"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        title = str(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title[:1].upper() + title[1:], **(extra_context or {})})

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Drover's own audit trail, whichever door a change came through."""
        trail = reverse("admin:orchestration_auditentry_changelist")
        return HttpResponseRedirect(f"{trail}?object_type={self.opts.model_name}&object_id={object_id}")

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        """The services keep the audit trail; Django's log would be a second, poorer one."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        """As for log_addition."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:  # type: ignore[override]
        """As for log_addition."""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The objects themselves: what goes with them is the service's business, and may be a million rows."""
        chosen = list(objs[: AT_ONCE + 1])
        foreign = {str(self.opts.verbose_name) for obj in chosen if not self.has_delete_permission(request, obj)}
        return [str(obj) for obj in chosen], {str(self.opts.verbose_name_plural): len(chosen)}, foreign, []

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, {"deleting": self.deleting, **(extra_context or {})})
        except DroverError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def response_action(self, request: HttpRequest, queryset: "QuerySet[Any]", *args: Any) -> HttpResponse | None:
        """What a service refuses in a list action is said at the top of the list; nothing of it is done."""
        if request.POST.get("select_across") == "1" and queryset[:COUNTED].count() > AT_ONCE:
            self.message_user(request, f"At most {AT_ONCE:,} at once: filter the list first.", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        try:
            return super().response_action(request, queryset, *args)
        except DroverError as error:
            self.message_user(request, error.message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())


class ReadOnlyAdmin(DroverAdmin):
    """A table that Drover alone writes."""


class LongAdmin(DroverAdmin):
    """A table with a long history: newest first, nothing counted or sorted that an index does not give."""

    paginator = CappedPaginator
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    ordering = ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Any]", search_term: str
    ) -> tuple["QuerySet[Any]", bool]:
        """A number is an id; only words are looked for in texts."""
        if search_term.strip().isdecimal():
            return queryset.filter(pk=int(search_term)), False
        return super().get_search_results(request, queryset, search_term)


class ServiceAdmin(DroverAdmin):
    """A noun whose service has create, update and delete. What the service refuses becomes an error of the form."""

    service: ModuleType
    id_name: str
    words: tuple[str, ...] = ()
    """JSON fields that hold a list of strings."""

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        refused = getattr(request, "refused", None)
        return type(form.__name__, (form,), {"refused": refused}) if refused else form

    def formfield_for_dbfield(self, db_field: "Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in self.words:
            field = WordsField(required=False, help_text=f"{db_field.help_text} Commas in between.".strip())
            field.widget.attrs["class"] = "vLargeTextField"
            return field
        if isinstance(db_field, JSONField):
            kwargs["widget"] = forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField code"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A refusal rolls everything back; the page is then made again with the same input and the reason."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DroverError as error:
            request.refused = error  # type: ignore[attr-defined]
            return super().changeform_view(request, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            fields = {name: form.cleaned_data[name] for name in form.changed_data}
            saved = self.service.update(actor=actor_of(request), **{self.id_name: obj.pk}, **fields)
        else:
            saved = self.service.create(actor=actor_of(request), **form.cleaned_data)
        obj.pk = saved.pk
        obj.refresh_from_db()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        self.service.delete(actor=actor_of(request), **{self.id_name: obj.pk})

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        with transaction.atomic():
            for pk in queryset.values_list("pk", flat=True):
                self.service.delete(actor=actor_of(request), **{self.id_name: pk})

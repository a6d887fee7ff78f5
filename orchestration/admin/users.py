"""People in the admin, for admins only. Their role decides what they may do; ``is_staff`` only opens this door."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminPasswordChangeForm, AdminUserCreationForm
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from orchestration.admin.base import ServiceAdmin, actor_of
from orchestration.admin.display import age, column, state
from orchestration.admin.forms import RefusableForm
from orchestration.models import User
from orchestration.permissions import Action, Actor
from orchestration.services import users

admin.site.unregister(Group)


class NewUserForm(RefusableForm, AdminUserCreationForm):  # type: ignore[type-arg]
    """A name, a role and a password, or none."""


class PasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """Django's form; what it saves goes through the service. ``acting`` is put on the user by PersonAdmin."""

    def save(self, commit: bool = True) -> Any:
        password = self.cleaned_data["password1"] if self.cleaned_data["set_usable_password"] else None
        acting: Actor = self.user.acting
        self.user.password = users.set_password(actor=acting, user_id=self.user.pk, password=password).password
        return self.user


@admin.register(User)
class PersonAdmin(ServiceAdmin, UserAdmin):  # type: ignore[type-arg]
    seen = column("last_login", age)
    joined = column("date_joined", age, "joined")
    service = users
    id_name = "user_id"
    view_action = add_action = change_action = delete_action = Action.MANAGE_USERS
    deleting = "Keys and login links go too. Tasks and the audit trail stay."

    form = RefusableForm
    add_form = NewUserForm
    change_password_form = PasswordForm
    list_display = ("username", "standing", "role", "max_concurrent_tasks", "email", "is_staff", "seen", "joined")
    list_filter = ("role", "is_active", "is_staff")
    search_fields = ("username", "first_name", "last_name", "email")
    filter_horizontal = ()
    readonly_fields = ("seen", "joined")
    fieldsets = (
        (None, {"fields": ("username", "first_name", "last_name", "email")}),
        ("May", {"fields": ("role", "is_active", "is_staff", "max_concurrent_tasks")}),
        ("Since", {"fields": readonly_fields}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "email", "role", "is_staff")}),
        ("Password", {"fields": ("usable_password", "password1", "password2")}),
    )

    @admin.display(description="state", ordering="is_active")
    def standing(self, user: User) -> SafeString:
        return state("completed", label="active") if user.is_active else state("cancelled", label="inactive")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        user = super().get_object(request, object_id, from_field)
        if user is not None:
            user.acting = actor_of(request)
        return user

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        given = form.cleaned_data
        fields = {name: given[name] for name in ("username", "email", "role", "is_staff")}
        password = given["password1"] if given["set_usable_password"] else None
        obj.pk = users.create(actor=actor_of(request), password=password, **fields).pk
        obj.refresh_from_db()

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> HttpResponse:
        return super(UserAdmin, self).response_add(request, obj, post_url_continue)

"""The password form of the dashboard and of the admin: with a brake, and in the audit trail."""

from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError

from orchestration.errors import NotAllowed
from orchestration.models import User
from orchestration.services import logins


class LoginForm(AuthenticationForm):
    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username") or ""
        ip = self.request.META.get("REMOTE_ADDR") if self.request else None
        try:
            logins.check(name=name, ip=ip)
        except NotAllowed as error:
            raise ValidationError(error.message) from error
        try:
            cleaned = super().clean()
        except ValidationError:
            logins.failed(name=name, ip=ip)
            raise
        user = self.get_user()
        if isinstance(user, User):
            logins.succeeded(user=user, ip=ip)
        return cleaned


class AdminLoginForm(LoginForm, AdminAuthenticationForm):
    """The same for the admin, which also wants staff."""

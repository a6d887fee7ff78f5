"""Who is calling: an API key in the Authorization header, or the session of the dashboard with its CSRF token."""

from ipaddress import ip_address
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from orchestration.errors import NotAllowed, NotAuthenticated
from orchestration.models import User
from orchestration.permissions import Action, Actor, Role, require
from orchestration.services import keys, users


class ApiKeyAuth(HttpBearer):
    """A wrong key is refused even when there is a session beside it: whoever sends one means it."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor:
        key = keys.authenticate(token.strip())
        if key is None:
            raise NotAuthenticated("This API key is unknown, revoked or expired.")
        return users.actor_of(key.owner, via="api", ip=client_ip(request), role=Role(key.role))


class SessionAuth(APIKeyCookie):
    """The browser's session. Without a person there is nothing a forged request could use, so that comes first."""

    param_name = settings.SESSION_COOKIE_NAME

    def __call__(self, request: HttpRequest) -> Actor | None:
        return self.authenticate(request, None)

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:
        user = request.user
        if not isinstance(user, User):
            return None
        if check_csrf(request):
            raise NotAllowed("The CSRF token is missing or wrong: send it as the header X-CSRFToken.")
        return users.actor_of(user, via="api", ip=client_ip(request))


def client_ip(request: HttpRequest) -> str | None:
    """None where there is none, as on a unix socket."""
    try:
        return str(ip_address(request.META.get("REMOTE_ADDR") or ""))
    except ValueError:
        return None


def actor_of(request: HttpRequest) -> Actor:
    """Whoever the authentication of this request found."""
    return cast(Actor, cast(Any, request).auth)


def viewer_of(request: HttpRequest) -> Actor:
    """The same for calls that only read."""
    actor = actor_of(request)
    require(actor, Action.VIEW)
    return actor

"""People: the first admin, one-time login links, and who an actor is."""

import hashlib
import secrets
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orchestration.models import LoginLink, User
from orchestration.permissions import Actor, Role
from orchestration.services import audit


def digest(secret: str) -> str:
    """SHA-256 is enough: the secrets are random and long."""
    return hashlib.sha256(secret.encode()).hexdigest()


def actor_of(user: User, *, via: str, ip: str | None = None, role: Role | None = None) -> Actor:
    """``role`` narrows what the user may do, as an API key does; it never widens it."""
    own = user.effective_role
    return Actor(user_id=user.pk, name=user.username, role=own if role is None else own.lower_of(role), via=via, ip=ip)


@transaction.atomic
def ensure_admin(*, name: str = "admin") -> tuple[User, bool]:
    """The first admin, made without a password where there is none: the login link is the way in."""
    existing = User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    if existing:
        return existing, False
    user = User(username=name, role=Role.ADMIN, is_staff=True, is_superuser=True)
    user.set_unusable_password()
    user.save()
    return user, True


@transaction.atomic
def make_login_link(user: User, *, now: datetime | None = None) -> str:
    """A token that logs the user in once. Stored as a digest; expired ones are cleared away."""
    now = now or timezone.now()
    LoginLink.objects.filter(expires_at__lt=now).delete()
    token = secrets.token_urlsafe(24)
    LoginLink.objects.create(user=user, token_hash=digest(token), expires_at=now + settings.DROVER_LOGIN_LINK_LIFETIME)
    return token


@transaction.atomic
def use_login_link(token: str, *, ip: str | None = None, now: datetime | None = None) -> User | None:
    """The user, if the token is valid and unused; it is used up by this call."""
    now = now or timezone.now()
    links = LoginLink.objects.filter(token_hash=digest(token), used_at=None, expires_at__gte=now)
    if not links.update(used_at=now):
        return None
    user = LoginLink.objects.select_related("user").get(token_hash=digest(token)).user
    if not user.is_active:
        return None
    audit.record(actor_of(user, via="web", ip=ip), "user.logged_in", user, by="login link")
    return user

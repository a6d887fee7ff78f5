"""People: who they are and may be, the first admin, one-time login links, and who an actor is."""

import hashlib
import secrets
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orchestration import events
from orchestration.errors import Conflict, NotFound
from orchestration.models import LoginLink, User
from orchestration.permissions import Action, Actor, Role, require
from orchestration.services import audit
from orchestration.services.fields import apply, save

FIELDS = ("username", "first_name", "last_name", "email", "role", "is_active", "is_staff", "max_concurrent_tasks")


def digest(secret: str) -> str:
    """SHA-256 is enough: the secrets are random and long."""
    return hashlib.sha256(secret.encode()).hexdigest()


def actor_of(user: User, *, via: str, ip: str | None = None, role: Role | None = None) -> Actor:
    """``role`` narrows what the user may do, as an API key does; it never widens it."""
    own = user.effective_role
    return Actor(user_id=user.pk, name=user.username, role=own if role is None else own.lower_of(role), via=via, ip=ip)


@transaction.atomic
def create(*, actor: Actor, password: str | None = None, **fields: Any) -> User:
    """Without a password the person comes in by a login link. ``is_staff`` opens the admin, the role decides there."""
    require(actor, Action.MANAGE_USERS)
    user = User()
    user.set_password(password)
    _save(user, fields)
    audit.record(actor, "user.created", user, role=user.role)
    return user


@transaction.atomic
def update(*, actor: Actor, user_id: int, **fields: Any) -> User:
    """Raises Conflict when nobody would be left who can manage users."""
    require(actor, Action.MANAGE_USERS)
    user = _locked(user_id)
    user.role = user.effective_role  # createsuperuser makes admins whose role says less
    before = {name: getattr(user, name) for name in FIELDS}
    _save(user, fields)
    _keep_an_admin()
    changes = audit.changes(before, {name: getattr(user, name) for name in FIELDS})
    audit.record(actor, "user.changed", user, changes=changes)
    if "max_concurrent_tasks" in changes:
        events.on_commit(wake=True)
    return user


@transaction.atomic
def set_password(*, actor: Actor, user_id: int, password: str | None) -> User:
    """None takes the password away."""
    user = _locked(user_id)
    if user.pk != actor.user_id:
        require(actor, Action.MANAGE_USERS)
    user.set_password(password)
    user.save(update_fields=["password"])
    audit.record(actor, "user.password_changed", user, removed=password is None)
    return user


@transaction.atomic
def delete(*, actor: Actor, user_id: int) -> None:
    """Keys and login links go too; tasks and the audit trail stay."""
    require(actor, Action.MANAGE_USERS)
    user = _locked(user_id)
    audit.record(actor, "user.deleted", user)
    user.delete()
    _keep_an_admin()


def _locked(user_id: int) -> User:
    user = User.objects.select_for_update().filter(pk=user_id).first()
    if user is None:
        raise NotFound(f"There is no user {user_id}.")
    return user


def _save(user: User, fields: dict[str, Any]) -> None:
    apply(user, fields, FIELDS)
    user.is_superuser = user.role == Role.ADMIN
    save(user)


def _keep_an_admin() -> None:
    if not User.objects.filter(is_superuser=True, is_active=True).exists():
        raise Conflict("This is the only active admin. Make somebody else an admin first.", field="role")


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

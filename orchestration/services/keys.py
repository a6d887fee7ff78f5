"""API keys: made once, shown once, revoked at any time."""

import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from orchestration.errors import InvalidInput, NotFound
from orchestration.models import ApiKey, User
from orchestration.permissions import Action, Actor, Role, require
from orchestration.services import audit
from orchestration.services.users import digest

PREFIX = "drover_"
_USE_NOTED_EVERY = timedelta(minutes=1)


@transaction.atomic
def create(
    *, actor: Actor, owner: User, name: str, role: Role | None = None, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """The key and its secret, which is never to be seen again. The role is capped at the owner's."""
    if owner.pk != actor.user_id:
        require(actor, Action.MANAGE_USERS)
    require(actor, Action.EDIT_KEY)
    if not name.strip():
        raise InvalidInput("Give the key a name that says what uses it.", field="name")
    most = owner.effective_role if owner.pk != actor.user_id else owner.effective_role.lower_of(actor.role)
    secret = PREFIX + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        owner=owner,
        name=name.strip()[:80],
        prefix=secret[:12],
        key_hash=digest(secret),
        role=most if role is None else most.lower_of(role),
        expires_at=expires_at,
    )
    audit.record(actor, "key.created", key, owner=owner.username, role=key.role)
    return key, secret


@transaction.atomic
def revoke(*, actor: Actor, key_id: int) -> ApiKey:
    key = ApiKey.objects.filter(pk=key_id).first()
    if key is None:
        raise NotFound(f"There is no API key {key_id}.")
    require(actor, Action.EDIT_KEY, key)
    if ApiKey.objects.filter(pk=key_id, revoked_at=None).update(revoked_at=timezone.now()):
        audit.record(actor, "key.revoked", key)
    key.refresh_from_db()
    return key


def authenticate(secret: str) -> ApiKey | None:
    """The live key of this secret, with its owner; None when it is unknown, revoked, expired or its owner is gone."""
    now = timezone.now()
    live = Q(expires_at=None) | Q(expires_at__gt=now)
    key = (
        ApiKey.objects.select_related("owner")
        .filter(live, key_hash=digest(secret), revoked_at=None, owner__is_active=True)
        .first()
    )
    if key and (key.last_used_at is None or now - key.last_used_at > _USE_NOTED_EVERY):
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key

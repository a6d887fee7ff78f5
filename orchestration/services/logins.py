"""Logging in with a password: each try is in the audit trail, and guessing gets slow."""

from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from orchestration.errors import NotAllowed
from orchestration.models import AuditEntry, User
from orchestration.services import audit
from orchestration.services.users import actor_of

FAILED = "user.login_failed"
WINDOW = timedelta(minutes=15)
TRIES_OF_A_NAME_FROM_ONE_ADDRESS = 10
TRIES_OF_A_NAME = 50
TRIES_FROM_ONE_ADDRESS = 200
"""Wider: behind a proxy everybody comes from one address."""


def check(*, name: str, ip: str | None, now: datetime | None = None) -> None:
    """Raises NotAllowed while there were too many wrong tries lately; a login link works all the same."""
    since = (now or timezone.now()) - WINDOW
    of_name, from_address = Q(object_name=_stored(name)), Q(ip=ip)
    failures = AuditEntry.objects.filter(action=FAILED, at__gte=since)
    bounds = [
        (of_name & from_address, TRIES_OF_A_NAME_FROM_ONE_ADDRESS),
        (of_name, TRIES_OF_A_NAME),
        (from_address, TRIES_FROM_ONE_ADDRESS),
    ]
    if any(failures.filter(which).count() >= most for which, most in bounds):
        minutes = int(WINDOW.total_seconds() // 60)
        raise NotAllowed(f"Too many wrong passwords. Try again in {minutes} minutes, or use a login link.")


def failed(*, name: str, ip: str | None) -> None:
    """A wrong password, or a name that nobody has: what was typed as the password is not kept."""
    AuditEntry.objects.create(
        actor_name="somebody", via="web", ip=ip, action=FAILED, object_type="user", object_name=_stored(name)
    )


def succeeded(*, user: User, ip: str | None) -> None:
    audit.record(actor_of(user, via="web", ip=ip), "user.logged_in", user, by="password")


def _stored(name: str) -> str:
    return name.replace("\0", "")[:150]

"""The websocket's door: who may come in, and the way of frames to and from a live session. No decisions here."""
# mypy: disable-error-code="no-untyped-call"

import asyncio
import logging
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.module_loading import import_string

from dashboard.live.build import build_id
from dashboard.live.hub import hub
from dashboard.live.reads import read
from dashboard.live.session import Session
from orchestration import payloads
from orchestration.models import User
from orchestration.permissions import Action, Actor, allowed

log = logging.getLogger(__name__)

LOGGED_OUT = 4401
NOT_ALLOWED = 4403
CHECK_LOGIN_SECONDS = 30.0


class LiveConsumer(AsyncWebsocketConsumer):
    session: Session | None = None
    login: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        await self.accept()
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.close(LOGGED_OUT)
            return
        actor = Actor(user_id=user.pk, name=user.username, role=user.effective_role, via="websocket")
        if not allowed(actor, Action.VIEW):
            await self.close(NOT_ALLOWED)
            return
        self.session = Session(hub(), actor, self.send, self.close)
        await self.session.open(_hello(actor))
        self.login = asyncio.get_running_loop().create_task(self._watch_login(user.pk))

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.session:
            await self.session.receive(text_data or "")

    async def disconnect(self, code: int) -> None:
        if self.login:
            self.login.cancel()
            await asyncio.wait([self.login])
        if self.session:
            session, self.session = self.session, None
            await session.close()

    async def _watch_login(self, user_id: int) -> None:
        """A session that ends elsewhere ends here, at the latest when the database answers again."""
        while True:
            await asyncio.sleep(CHECK_LOGIN_SECONDS)
            try:
                still_in = await read(_user_of, self.scope["session"].session_key) == user_id
            except DatabaseError as error:
                log.warning("could not look whether %s is still logged in: %s", user_id, error)
                continue
            if not still_in:
                await self.close(LOGGED_OUT)
                return


def _user_of(session_key: str | None) -> int | None:
    """Whose session that is now; None when it is over or the user may no longer log in."""
    request = HttpRequest()
    request.session = import_string(f"{settings.SESSION_ENGINE}.SessionStore")(session_key)
    user = get_user(request)
    return user.pk if isinstance(user, User) and user.is_active else None


def _hello(actor: Actor) -> dict[str, Any]:
    return {
        "user": {"id": actor.user_id, "name": actor.name, "role": str(actor.role)},
        "server_time": payloads.stamp(timezone.now()),
        "build": build_id(),
    }

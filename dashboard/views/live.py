"""The live view without a websocket: the same snapshots, asked for again and again."""

from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from dashboard.live.build import build_id
from dashboard.live.hub import hub
from dashboard.live.session import snapshots
from orchestration import payloads
from orchestration.errors import NotAuthenticated
from orchestration.models import User
from orchestration.permissions import Actor


async def poll(request: HttpRequest) -> JsonResponse:
    """``?topic=load&filter=&topic=tasks&filter=status%3Dfailed``: a filter, perhaps empty, after each topic."""
    user = await request.auser()
    if not isinstance(user, User):
        error = NotAuthenticated("Log in first.")
        return JsonResponse({"error": {"code": error.code, "message": error.message, "detail": {}}}, status=401)
    actor = Actor(user_id=user.pk, name=user.username, role=user.effective_role, via="web")
    topics, filters = request.GET.getlist("topic"), request.GET.getlist("filter")
    filters += [""] * (len(topics) - len(filters))
    frames = await snapshots(hub(), actor, zip(topics, filters, strict=False))
    answer = JsonResponse({"server_time": payloads.stamp(timezone.now()), "build": build_id(), "frames": frames})
    answer["Cache-Control"] = "no-store"
    return answer

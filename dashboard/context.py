"""What the frame of every page shows: who looks, what they may do, the nodes, how much runs and waits."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from dashboard.live.build import build_id
from dashboard.navigation import PLACES, section_of
from orchestration.models import User
from orchestration.permissions import Action, allowed, refusal
from orchestration.queries.strip import strip
from orchestration.services.users import actor_of


def frame(request: HttpRequest) -> dict[str, Any]:
    """Lazy: pages without the frame, such as Django's admin, pay nothing."""
    return {"frame": SimpleLazyObject(lambda: _frame(request))}


def _frame(request: HttpRequest) -> dict[str, Any]:
    user = request.user
    if not isinstance(user, User):
        return {"demo": settings.DROVER_DEMO}
    actor = actor_of(user, via="web")
    counts = strip()
    return {
        "demo": settings.DROVER_DEMO,
        "build": build_id(),
        "user": user.username,
        "role": str(actor.role),
        "section": section_of(request.path),
        "places": PLACES,
        "can_submit": allowed(actor, Action.SUBMIT_TASK),
        "can_edit_agents": allowed(actor, Action.EDIT_AGENT),
        "can_edit_nodes": allowed(actor, Action.EDIT_NODE),
        "why_no_pause": refusal(actor, Action.PAUSE_FOR_ALL) or "",
        "limit": user.max_concurrent_tasks,
        "nodes": counts["nodes"],
        "nodes_up": sum(node["status"] in ("healthy", "draining") for node in counts["nodes"]),
        "counts": counts,
        "failed_last_hour": counts["failed_last_hour"],
    }

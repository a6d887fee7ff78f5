"""The pause and resume buttons of all pages."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.services import pauses as service


@require_POST
@page
def toggle(request: HttpRequest) -> HttpResponse:
    """``paused=1`` pauses, anything else resumes."""
    who, kind, key = actor(request), request.POST.get("kind", ""), request.POST.get("key", "")
    if request.POST.get("paused") == "1":
        row, _ = service.pause(actor=who, kind=kind, key=key)
        return done(request, f"{queries.pauses.words()[row.kind, row.key]}. What runs goes on.")
    resumed = service.resume(actor=who, kind=kind, key=key)
    return done(request, "Resumed: what waited starts again." if resumed else "It was not paused.")

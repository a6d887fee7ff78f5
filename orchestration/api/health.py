"""``/healthz``: 200 when every part of Drover is alive, else 503 with which one is not."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from orchestration import queries


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """Needs no login: load balancers ask it."""
    health = queries.health()
    return JsonResponse(health, status=200 if health["status"] == "ok" else 503)

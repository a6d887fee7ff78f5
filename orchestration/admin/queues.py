"""django-rq's own pages inside the admin: everybody with the admin may look, maintainers may act.

To be included as ``admin/rq/``. The pages bring inline styles and handlers that the content security policy forbids;
they are taken out here, ``static/css/admin.css`` has what they are replaced with.
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from django_rq.urls import get_admin_urlpatterns, get_api_urlpatterns

from orchestration.admin.base import actor_of
from orchestration.permissions import Role

_INLINE = re.compile(
    rb"""<style\b.*?</style>|<script(?![^>]*\ssrc=)[^>]*>.*?</script>|\s(?:on[a-z]+|style)="[^"]*\"""", re.DOTALL
)

View = Callable[..., HttpResponse]


def _strict(view: View) -> View:
    """Only maintainers change queues: losing a job costs somebody's attempt its lease."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method != "GET" and actor_of(request).role.rank < Role.MAINTAINER.rank:
            raise PermissionDenied
        response = view(request, *args, **kwargs)
        if response.get("Content-Type", "").startswith("text/html"):
            response.content = _INLINE.sub(b"", response.content)
        return response

    return admin.site.admin_view(guarded)


app_name = "django_rq"
urlpatterns: list[URLPattern | URLResolver] = [
    *get_api_urlpatterns(),
    *get_admin_urlpatterns(view_wrapper=_strict),
]

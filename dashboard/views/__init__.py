"""One file per noun. What they share: who may enter, errors in one place, and how an action answers.

An action is a plain form: it redirects with a message. A script that asks for JSON gets the same outcome as JSON.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme

from orchestration.errors import DroverError
from orchestration.models import User
from orchestration.permissions import Actor
from orchestration.services.users import actor_of

View = Callable[..., HttpResponseBase]

TITLES = {400: "That does not work", 403: "Not allowed", 404: "Not found", 409: "Not possible now"}


def page(view: View) -> View:
    """For people who are logged in; what the domain refuses becomes an answer here and nowhere else."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except DroverError as error:
            return _refused(request, error)

    return guarded


def actor(request: HttpRequest) -> Actor:
    assert isinstance(request.user, User)
    return actor_of(request.user, via="web", ip=request.META.get("REMOTE_ADDR"))


def wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "").startswith("application/json")


def done(request: HttpRequest, message: str, *, to: str = "", level: int = messages.SUCCESS) -> HttpResponse:
    """The end of an action that worked: back to where it was asked for, unless ``to`` names another page."""
    if wants_json(request):
        return JsonResponse({"message": message, "url": to})
    if message:
        messages.add_message(request, level, message)
    return redirect(to or _back(request))


def _refused(request: HttpRequest, error: DroverError) -> HttpResponse:
    if wants_json(request):
        body = {"error": {"code": error.code, "message": error.message, "detail": error.detail}}
        return JsonResponse(body, status=error.http_status)
    if request.method == "POST":
        messages.error(request, error.message)
        return redirect(_back(request))
    context = {"title": TITLES.get(error.http_status, "That did not work"), "message": error.message}
    return render(request, "error.html", context, status=error.http_status)


def _back(request: HttpRequest) -> str:
    """Only ever to a page of this site."""
    for url in (request.POST.get("next"), request.headers.get("Referer")):
        if url and url_has_allowed_host_and_scheme(url, {request.get_host()}, request.is_secure()):
            return url
    return "overview"

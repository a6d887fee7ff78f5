"""The way in and out: the one-time link, the password, the goodbye."""

from django.contrib.auth import login
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from dashboard.login import LoginForm
from orchestration.services.users import use_login_link

BACKEND = "django.contrib.auth.backends.ModelBackend"


class PasswordLogin(LoginView):
    template_name = "account/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True


@never_cache
def start(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button, POST uses the link up: a preview of the link consumes nothing. The token leaves no trace."""
    if request.method != "POST":
        return _private(render(request, "account/start.html"))
    user = use_login_link(token, ip=request.META.get("REMOTE_ADDR"))
    if user is None:
        return _private(render(request, "account/start.html", {"invalid": True}, status=410))
    login(request, user, backend=BACKEND)
    return _private(redirect("overview"))


def _private(response: HttpResponse) -> HttpResponse:
    response["Referrer-Policy"] = (
        "strict-origin"  # no-referrer would make the POST carry "Origin: null", which CSRF refuses
    )
    return response

"""What Drover runs with, over REST: settings with their sources, and the machine below."""

from django.http import HttpRequest
from ninja import Router

from orchestration.api.auth import viewer_of
from orchestration.api.problems import errors
from orchestration.queries import system as queries
from orchestration.queries.system import SettingsInForce, System

router = Router(tags=["status"])


@router.get("/settings", response={200: SettingsInForce, **errors(403)}, summary="Settings that hold here")
def list_settings(request: HttpRequest) -> SettingsInForce:
    """As the web process read them at its start. Secrets are told to be set, and no more."""
    viewer_of(request)
    return queries.settings_in_force()


@router.get("/system", response={200: System, **errors(403)}, summary="Versions, database, Redis, processes, disk")
def show_system(request: HttpRequest) -> System:
    viewer_of(request)
    return queries.system()

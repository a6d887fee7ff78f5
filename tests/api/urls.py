"""The API alone, as the site mounts it."""

from django.urls import path

from orchestration.api import api, documentation, healthz
from orchestration.api.prometheus import metrics

urlpatterns = [
    path("healthz", healthz),
    path("metrics", metrics),
    path("api/docs", documentation.page),
    path("api/openapi.json", documentation.openapi),
    path("api/orchestration/", api.urls),
]

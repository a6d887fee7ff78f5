"""Django's handle on the site."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    name = "dashboard"

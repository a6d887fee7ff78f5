"""Django's handle on the site, and on the admin as the site wants it."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class DashboardConfig(AppConfig):
    default = True
    name = "dashboard"


class DroverAdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "dashboard.admin.DroverAdminSite"

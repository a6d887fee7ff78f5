"""``login_link``: a new one-time link into the dashboard."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from orchestration.management import data_folder
from orchestration.models import User
from orchestration.services import users

DEFAULT_URL = "http://127.0.0.1:8000"


class Command(BaseCommand):
    help = "Prints a link that logs one person in, once."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", help="who is logged in (the first admin)")
        parser.add_argument("--url", help=f"where the dashboard is (the one started here, else {DEFAULT_URL})")

    def handle(self, *args: Any, **options: Any) -> None:
        start = data_folder.running(settings.DROVER_DATA)
        base = options["url"] or (start.url if start else "") or DEFAULT_URL
        try:
            token = users.make_login_link(_user(options["user"]))
        except DatabaseError as error:
            raise CommandError(f"The database is not ready ({error}): start Drover once with 'make run'.") from error
        self.stdout.write(f"{base.rstrip('/')}/start/{token}")


def _user(name: str | None) -> User:
    if name is None:
        return users.ensure_admin()[0]
    user = User.objects.filter(username=name, is_active=True).first()
    if user is None:
        raise CommandError(f"There is no user {name!r}.")
    return user

"""``create_api_key``: a key for scripts, printed alone so that a shell can catch it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from orchestration.errors import DroverError
from orchestration.models import User
from orchestration.permissions import SYSTEM, Role
from orchestration.services import keys


class Command(BaseCommand):
    help = "Makes an API key and prints it, the only time it can be seen."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, help="whom the key stands for")
        parser.add_argument("--name", required=True, help="what uses it, for the list of keys")
        parser.add_argument("--role", choices=list(Role), help="at most this role (that of the user)")

    def handle(self, *args: Any, **options: Any) -> None:
        role = Role(options["role"]) if options["role"] else None
        try:
            _, secret = keys.create(actor=SYSTEM, owner=_user(options["user"]), name=options["name"], role=role)
        except DroverError as error:
            raise CommandError(error.message) from error
        self.stdout.write(secret)


def _user(name: str) -> User:
    try:
        user = User.objects.filter(username=name).first()
        names = sorted(User.objects.filter(is_active=True).values_list("username", flat=True)[:20])
    except DatabaseError as error:
        raise CommandError(f"The database is not ready ({error}): start Drover once with 'make run'.") from error
    if user is None or not user.is_active:
        raise CommandError(f"There is no user {name!r}. Users: {', '.join(names) or 'none yet, start Drover once'}.")
    return user

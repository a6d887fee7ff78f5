"""``prepare``: the database made ready, once for all machines; ``up`` does it by itself."""

from typing import Any

from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand, CommandError

from orchestration.errors import DroverError
from orchestration.management import fleet, startup


class Command(BaseCommand):
    help = "Migrates, makes the first admin and the default agent, and connects the servers in OLLAMA_HOSTS."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            startup.prepare_database()
            urls = fleet.configured()
            fleet.connect(urls)
        except startup.StartFailed as error:
            raise CommandError(f"{error.text}. {error.fix}") from error
        except DroverError as error:
            raise CommandError(error.message) from error
        looks = async_to_sync(fleet.look_at_all)(urls)
        fleet.record(looks)
        for look in looks:
            self.stdout.write(look.words)

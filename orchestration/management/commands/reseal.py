"""``reseal``: the headers of all nodes sealed anew with the first of DROVER_SECRETS_KEYS, so that older keys can go."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from orchestration.permissions import SYSTEM
from orchestration.services import nodes


class Command(BaseCommand):
    help = "Seals the headers of nodes with the first of DROVER_SECRETS_KEYS; afterwards the others are not needed."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        done, lost = nodes.reseal(actor=SYSTEM)
        self.stdout.write(f"Sealed anew: {done} node{'' if done == 1 else 's'}.")
        if lost:
            raise CommandError(
                f"No key that is set opens the headers of {', '.join(lost)}: add the key they were sealed with to "
                "DROVER_SECRETS_KEYS, or enter them again."
            )

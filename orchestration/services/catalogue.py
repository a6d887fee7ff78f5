"""Keeps what the library told of models that can be pulled, and how reading it went."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from orchestration.models import CatalogueEntry, CatalogueState
from orchestration.policy.catalogue import CatalogueModel
from orchestration.policy.storing import storable

MOST_KEPT = 5_000


@transaction.atomic
def keep(*, models: Sequence[CatalogueModel], now: datetime) -> int:
    """What is no longer told stays: it can still be pulled. ``fetched_at`` of an entry tells how old it is."""
    rows = [
        CatalogueEntry(
            name=storable(model.name),
            description=storable(model.description),
            capabilities=list(model.capabilities),
            tags=[tag.as_json() for tag in model.tags],
            fetched_at=now,
        )
        for model in models[:MOST_KEPT]
    ]
    fields = ["description", "capabilities", "tags", "fetched_at"]
    CatalogueEntry.objects.bulk_create(rows, update_conflicts=True, unique_fields=["name"], update_fields=fields)
    CatalogueState.objects.update_or_create(pk=1, defaults={"tried_at": now, "fetched_at": now, "error": ""})
    return len(rows)


def note_failure(*, error: str, now: datetime) -> None:
    """The catalogue goes on as it was."""
    CatalogueState.objects.update_or_create(pk=1, defaults={"tried_at": now, "error": storable(error)[:300]})

"""Collections of answers, by name, with how many each has."""

from django.db.models import Count

from orchestration.errors import NotFound
from orchestration.models import Collection
from orchestration.payloads.outputs import CollectionPayload
from orchestration.payloads.outputs import collection as payload


def collections() -> list[CollectionPayload]:
    rows = Collection.objects.select_related("owner").annotate(size=Count("outputs")).order_by("name")
    return [payload(row, outputs=row.size) for row in rows]


def get_collection(collection_id: int) -> Collection:
    row = Collection.objects.select_related("owner").filter(pk=collection_id).first()
    if row is None:
        raise NotFound(f"There is no collection {collection_id}.")
    return row


def collection_detail(collection_id: int) -> CollectionPayload:
    row = get_collection(collection_id)
    return payload(row, outputs=row.outputs.count())

"""How far pulls are, as their workers tell it: bytes that never go back, whoever tells them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import BigIntegerField, F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from orchestration import events
from orchestration.models import Pull
from orchestration.services.fields import cut

STAGE_LENGTH = 100


class Standing(NamedTuple):
    """What is known of a pull when a try of it begins."""

    layers: list[dict[str, Any]]
    total_bytes: int | None


def standing(task_id: int) -> Standing:
    row = Pull.objects.filter(task_id=task_id).first() or Pull()
    return Standing(row.layers, row.total_bytes)


@transaction.atomic
def note(
    *,
    task_id: int,
    token: str,
    stage: str,
    layers: Sequence[Mapping[str, Any]],
    done_bytes: int,
    total_bytes: int | None,
    bytes_per_second: float | None,
    now: datetime | None = None,
) -> bool:
    """False when the task is not with this attempt any more."""
    mine = Pull.objects.filter(task_id=task_id, task__token=token)
    noted = mine.update(
        stage=cut(stage, STAGE_LENGTH),
        layers=[dict(layer) for layer in layers],
        done_bytes=Greatest(F("done_bytes"), Value(done_bytes, output_field=BigIntegerField())),
        total_bytes=total_bytes,
        bytes_per_second=bytes_per_second,
        updated_at=now or timezone.now(),
    )
    if noted:
        events.on_commit(("pull", {"task_id": task_id}))
    return bool(noted)


def went_on(task_id: int) -> bool:
    """Whether it is further than when a try of it failed the last time, which this remembers for the next time."""
    further = Pull.objects.filter(task_id=task_id, done_bytes__gt=F("failed_at_bytes"))
    return bool(further.update(failed_at_bytes=F("done_bytes")))

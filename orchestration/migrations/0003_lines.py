"""Tasks from before there were shares: whose part they take, their place in the line, their agent's own lane."""

import hashlib
import json

from django.db import migrations
from django.db.models import Exists, F, OuterRef, Value
from django.db.models.functions import Coalesce

UNFINISHED = ["blocked", "pending", "assigned", "running"]


def give_shares(apps, schema_editor):
    Task = apps.get_model("orchestration", "Task")
    edges = apps.get_model("orchestration", "TaskDependency").objects.filter(needs=OuterRef("pk"))
    Task.objects.update(share=Coalesce(F("owner_id"), Value(0)), line_at=F("created_at"))
    Task.objects.filter(Exists(edges)).update(awaited=True)
    apps.get_model("orchestration", "Attempt").objects.exclude(ended_at=None).update(settled=True)


def give_lanes(apps, schema_editor):
    Task, Lane = apps.get_model("orchestration", "Task"), apps.get_model("orchestration", "Lane")
    waiting = Task.objects.filter(status__in=UNFINISHED)
    for lane_id, agent_id, kind in set(waiting.values_list("lane_id", "agent_id", "type")):
        old = Lane.objects.get(pk=lane_id)
        key = hashlib.sha256(json.dumps([agent_id, kind, *old.models, old.num_ctx]).encode()).hexdigest()
        fields = {"agent_id": agent_id, "type": kind, "models": old.models, "num_ctx": old.num_ctx}
        lane = Lane.objects.get_or_create(key=key, defaults=fields)[0]
        waiting.filter(lane_id=lane_id, agent_id=agent_id, type=kind).update(lane=lane)


def keep_tries(apps, schema_editor):
    """What waits keeps the number it was submitted with."""
    apps.get_model("orchestration", "Task").objects.filter(status__in=UNFINISHED).update(own_max_tries=F("max_tries"))


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0002_scheduling")]
    operations = [
        migrations.RunPython(give_shares, migrations.RunPython.noop),
        migrations.RunPython(give_lanes, migrations.RunPython.noop),
        migrations.RunPython(keep_tries, migrations.RunPython.noop),
    ]

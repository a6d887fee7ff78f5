"""Whose fault a failed attempt was and what follows from it; what a task itself asked for in tries."""

from django.db import migrations, models
from django.db.models import F

UNFINISHED = ["blocked", "pending", "assigned", "running"]


def keep_tries(apps, schema_editor):
    """What waits keeps the number it was submitted with."""
    apps.get_model("orchestration", "Task").objects.filter(status__in=UNFINISHED).update(own_max_tries=F("max_tries"))


class Migration(migrations.Migration):
    dependencies = [
        ("orchestration", "0003_lines"),
    ]

    operations = [
        migrations.AddField(
            model_name="attempt",
            name="follow_up",
            field=models.CharField(
                blank=True, help_text="What becomes of the task after it, in words.", max_length=300
            ),
        ),
        migrations.AddField(
            model_name="attempt",
            name="node_fault",
            field=models.BooleanField(default=False, help_text="Its failure counts against the node's circuit."),
        ),
        migrations.AddField(
            model_name="node",
            name="circuit_reason",
            field=models.CharField(blank=True, help_text="The last of these failures.", max_length=300),
        ),
        migrations.AddField(
            model_name="task",
            name="own_max_tries",
            field=models.PositiveSmallIntegerField(
                blank=True, help_text="What it was submitted with; empty: its agent or model decides.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="task",
            name="max_tries",
            field=models.PositiveSmallIntegerField(default=3, help_text="As of the last try."),
        ),
        migrations.RunPython(keep_tries, migrations.RunPython.noop),
    ]

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0013_pulls_and_pins")]

    operations = [
        migrations.AddField("node", "drained_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("node", "drained_by", models.CharField(blank=True, max_length=150)),
        migrations.AddField(
            "node",
            "most_loaded",
            models.PositiveSmallIntegerField(
                default=0, help_text="The most models that were seen loaded at once."
            ),
        ),
        migrations.CreateModel(
            "HealthChange",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                (
                    "health",
                    models.CharField(
                        choices=[("unknown", "unknown"), ("healthy", "healthy"), ("unhealthy", "unhealthy")],
                        max_length=12,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=300)),
                (
                    "node",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="health_changes",
                        to="orchestration.node",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["node", "-id"], name="health_changes_of_node")],
            },
        ),
    ]

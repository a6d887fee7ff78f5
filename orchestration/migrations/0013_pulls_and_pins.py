from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0012_models_nodes_outputs")]

    operations = [
        migrations.AddField(
            "pull",
            "failed_at_bytes",
            models.BigIntegerField(default=0, help_text="How far it was when a try of it last failed."),
        ),
        migrations.AddField("nodemodel", "pinned_by", models.CharField(blank=True, max_length=150)),
    ]

"""Models with the same weights share memory; only one of them is listed as loaded."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orchestration", "0005_learned_slots"),
    ]

    operations = [
        migrations.AddField(
            model_name="nodemodel",
            name="listed_as",
            field=models.CharField(
                blank=True,
                help_text="Models with the same weights share memory, and one of them is listed.",
                max_length=200,
            ),
        ),
    ]

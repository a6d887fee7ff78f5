"""When the number of slots learned for a variant last changed, so that calls from before are not counted twice."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orchestration", "0004_setbacks"),
    ]

    operations = [
        migrations.AddField(
            model_name="nodevariant",
            name="slots_at",
            field=models.DateTimeField(blank=True, help_text="When that last changed.", null=True),
        ),
    ]

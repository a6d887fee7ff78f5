from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0018_load_history")]

    operations = [
        migrations.AddIndex(
            "attempt",
            models.Index(
                fields=["node", "-id"],
                condition=models.Q(("error_code", ""), _negated=True),
                name="attempt_failed_on_node",
            ),
        ),
    ]

"""What has become of a run's tasks is counted from an index alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0010_task_extension")]

    operations = [
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["run", "status"], name="task_by_run_and_status"),
        ),
    ]

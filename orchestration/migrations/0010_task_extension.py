from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orchestration", "0009_document_sizes")]

    operations = [
        migrations.AddField(
            model_name="task",
            name="extension",
            field=models.CharField(blank=True, help_text="Of the agent, around its calls.", max_length=80),
        ),
    ]

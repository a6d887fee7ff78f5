from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orchestration', '0008_agent_prompts'),
    ]

    operations = [
        migrations.AddField(
            model_name='document',
            name='characters',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='document',
            name='pages',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='document',
            name='tokens',
            field=models.PositiveIntegerField(default=0, help_text='About as many as it takes in a prompt.'),
        ),
    ]

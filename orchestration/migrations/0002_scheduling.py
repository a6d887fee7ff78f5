"""What the scheduler remembers: variants, plans, accounts, pauses; retries, circuits and lanes of one agent."""

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import orchestration.policy.states
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orchestration', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='LoadPlan',
            fields=[
                ('node', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='load_plan', serialize=False, to='orchestration.node')),
                ('model_name', models.CharField(max_length=200)),
                ('num_ctx', models.PositiveIntegerField()),
                ('victims', models.JSONField(default=list)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('patience', models.BooleanField(default=False, help_text='Displaces busy models for a task that waited too long.')),
                ('preload', models.BooleanField(default=False)),
                ('planned_at', models.DateTimeField()),
                ('loading_since', models.DateTimeField(blank=True, null=True)),
                ('expected_seconds', models.FloatField(default=0.0)),
                ('token', models.CharField(max_length=32, unique=True)),
            ],
        ),
        migrations.CreateModel(
            name='NodeVariant',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('model_name', models.CharField(max_length=200)),
                ('num_ctx', models.PositiveIntegerField()),
                ('tokens_per_second', models.FloatField(blank=True, help_text='Of a single stream alone on the node.', null=True)),
                ('load_seconds', models.FloatField(blank=True, null=True)),
                ('run_seconds', models.FloatField(blank=True, null=True)),
                ('size_bytes', models.BigIntegerField(blank=True, help_text='In memory, as the server told.', null=True)),
                ('slots', models.PositiveSmallIntegerField(blank=True, help_text='Learned; empty: as the node says.', null=True)),
                ('slots_at', models.DateTimeField(blank=True, help_text='When that last changed.', null=True)),
                ('clean_runs', models.PositiveIntegerField(default=0, help_text='Since a request last waited inside Ollama.')),
                ('loaded_at', models.DateTimeField(blank=True, help_text='When Drover loaded it; empty when it is gone.', null=True)),
                ('last_used_at', models.DateTimeField(blank=True, null=True)),
                ('outside_until', models.DateTimeField(blank=True, help_text='Others were seen using it: busy until then.', null=True)),
                ('load_failures', models.PositiveIntegerField(default=0)),
                ('load_not_before', models.DateTimeField(blank=True, null=True)),
                ('load_error', models.CharField(blank=True, max_length=300)),
            ],
        ),
        migrations.CreateModel(
            name='OutputEstimate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('type', models.CharField(max_length=40)),
                ('tokens', models.FloatField()),
            ],
        ),
        migrations.CreateModel(
            name='Pause',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[(orchestration.policy.states.PauseKind['PRIORITY'], orchestration.policy.states.PauseKind['PRIORITY']), (orchestration.policy.states.PauseKind['AGENT'], orchestration.policy.states.PauseKind['AGENT']), (orchestration.policy.states.PauseKind['MODEL'], orchestration.policy.states.PauseKind['MODEL'])], max_length=10)),
                ('key', models.CharField(max_length=200)),
                ('paused_by_name', models.CharField(max_length=150)),
                ('paused_at', models.DateTimeField()),
                ('note', models.CharField(blank=True, max_length=200)),
            ],
            options={
                'ordering': ['kind', 'key'],
            },
        ),
        migrations.CreateModel(
            name='ShareAccount',
            fields=[
                ('share', models.PositiveBigIntegerField(primary_key=True, serialize=False)),
                ('service', models.FloatField(default=0.0)),
                ('active', models.BooleanField(default=False, help_text='Had something unfinished at the last pass.')),
            ],
        ),
        migrations.RemoveIndex(
            model_name='task',
            name='task_waiting_by_lane',
        ),
        migrations.AddField(
            model_name='agent',
            name='retry_delay_seconds',
            field=models.FloatField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(0)]),
        ),
        migrations.AddField(
            model_name='agent',
            name='retry_growth',
            field=models.FloatField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)]),
        ),
        migrations.AddField(
            model_name='agent',
            name='retry_on',
            field=models.JSONField(blank=True, default=list, help_text='Error codes that are tried again; empty: as usual.'),
        ),
        migrations.AddField(
            model_name='attempt',
            name='estimated_tokens',
            field=models.FloatField(default=0.0, help_text="What its user's account was charged at the start."),
        ),
        migrations.AddField(
            model_name='attempt',
            name='follow_up',
            field=models.CharField(blank=True, help_text='What becomes of the task after it, in words.', max_length=300),
        ),
        migrations.AddField(
            model_name='attempt',
            name='inside_seconds',
            field=models.FloatField(blank=True, help_text='It waited this long inside Ollama.', null=True),
        ),
        migrations.AddField(
            model_name='attempt',
            name='node_fault',
            field=models.BooleanField(default=False, help_text="Its failure counts against the node's circuit."),
        ),
        migrations.AddField(
            model_name='attempt',
            name='settled',
            field=models.BooleanField(default=False, help_text='Its account is corrected and its lesson learned.'),
        ),
        migrations.AddField(
            model_name='lane',
            name='agent',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='lanes', to='orchestration.agent'),
        ),
        migrations.AddField(
            model_name='lane',
            name='outlook',
            field=models.JSONField(blank=True, default=dict, help_text='When it goes on, as far as that is known.'),
        ),
        migrations.AddField(
            model_name='lane',
            name='type',
            field=models.CharField(blank=True, max_length=40),
        ),
        migrations.AddField(
            model_name='lane',
            name='waiting_code',
            field=models.CharField(blank=True, max_length=20),
        ),
        migrations.AddField(
            model_name='modelconfig',
            name='max_tries',
            field=models.PositiveSmallIntegerField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)]),
        ),
        migrations.AddField(
            model_name='modelconfig',
            name='retry_delay_seconds',
            field=models.FloatField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(0)]),
        ),
        migrations.AddField(
            model_name='modelconfig',
            name='retry_growth',
            field=models.FloatField(blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)]),
        ),
        migrations.AddField(
            model_name='modelconfig',
            name='retry_on',
            field=models.JSONField(blank=True, default=list, help_text='Error codes that are tried again; empty: as usual.'),
        ),
        migrations.AddField(
            model_name='node',
            name='circuit_reason',
            field=models.CharField(blank=True, help_text='The last of these failures.', max_length=300),
        ),
        migrations.AddField(
            model_name='node',
            name='circuit_until',
            field=models.DateTimeField(blank=True, help_text='Until then it takes nothing new.', null=True),
        ),
        migrations.AddField(
            model_name='node',
            name='faults',
            field=models.PositiveIntegerField(default=0, help_text='Attempts in a row that failed by its fault.'),
        ),
        migrations.AddField(
            model_name='node',
            name='learned_bytes',
            field=models.BigIntegerField(default=0, help_text='The most that was seen in video memory at once.'),
        ),
        migrations.AddField(
            model_name='node',
            name='reserved_bytes',
            field=models.BigIntegerField(default=0, help_text='Kept free for models that others load.'),
        ),
        migrations.AddField(
            model_name='node',
            name='reserved_until',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='nodemodel',
            name='listed_as',
            field=models.CharField(blank=True, help_text='Models with the same weights share memory, and one of them is listed.', max_length=200),
        ),
        migrations.AddField(
            model_name='task',
            name='awaited',
            field=models.BooleanField(default=False, help_text='Other tasks wait for its end, and have not been told of it.'),
        ),
        migrations.AddField(
            model_name='task',
            name='line_at',
            field=models.DateTimeField(default=django.utils.timezone.now, help_text='When its run was submitted: its place in the line.'),
        ),
        migrations.AddField(
            model_name='task',
            name='own_max_tries',
            field=models.PositiveSmallIntegerField(blank=True, help_text='What it was submitted with; empty: its agent or model decides.', null=True),
        ),
        migrations.AddField(
            model_name='task',
            name='preemptions',
            field=models.PositiveSmallIntegerField(default=0, help_text='How often it made way for a high task.'),
        ),
        migrations.AddField(
            model_name='task',
            name='share',
            field=models.PositiveBigIntegerField(default=0, help_text="The user whose part of the fleet it takes; 0 is nobody's."),
        ),
        migrations.AddField(
            model_name='user',
            name='max_concurrent_tasks',
            field=models.PositiveIntegerField(blank=True, help_text='Empty: no limit of their own.', null=True, validators=[django.core.validators.MinValueValidator(1)]),
        ),
        migrations.AlterField(
            model_name='lane',
            name='key',
            field=models.CharField(help_text='SHA-256 of agent, type, models and context size.', max_length=64, unique=True),
        ),
        migrations.AlterField(
            model_name='task',
            name='max_tries',
            field=models.PositiveSmallIntegerField(default=3, help_text='As of the last try.'),
        ),
        migrations.AlterField(
            model_name='task',
            name='not_before',
            field=models.DateTimeField(blank=True, help_text='It backs off; cleared when the time has come.', null=True),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(condition=models.Q(('ended_at__isnull', False), ('settled', False)), fields=['id'], name='attempt_unsettled'),
        ),
        migrations.AddIndex(
            model_name='attempt',
            index=models.Index(condition=models.Q(('queue', 'high')), fields=['granted_at'], name='attempt_high'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(condition=models.Q(('not_before__isnull', True), ('status', orchestration.policy.states.TaskStatus['PENDING'])), fields=['lane', 'priority', 'share', 'line_at', 'id'], name='task_ready_by_share'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(condition=models.Q(('not_before__isnull', True), ('status', orchestration.policy.states.TaskStatus['PENDING'])), fields=['lane', 'priority', 'ready_at'], name='task_ready_by_age'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(condition=models.Q(('not_before__isnull', False)), fields=['not_before'], name='task_backing_off'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(condition=models.Q(('status__in', [orchestration.policy.states.TaskStatus['ASSIGNED'], orchestration.policy.states.TaskStatus['BLOCKED'], orchestration.policy.states.TaskStatus['PENDING'], orchestration.policy.states.TaskStatus['RUNNING']])), fields=['share'], name='task_unfinished_by_share'),
        ),
        migrations.AddIndex(
            model_name='task',
            index=models.Index(condition=models.Q(('awaited', True)), fields=['status'], name='task_awaited'),
        ),
        migrations.AddField(
            model_name='loadplan',
            name='lane',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='load_plans', to='orchestration.lane'),
        ),
        migrations.AddField(
            model_name='nodevariant',
            name='node',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='variants', to='orchestration.node'),
        ),
        migrations.AddField(
            model_name='outputestimate',
            name='agent',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='output_estimates', to='orchestration.agent'),
        ),
        migrations.AddField(
            model_name='pause',
            name='paused_by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='pauses', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='nodevariant',
            constraint=models.UniqueConstraint(fields=('node', 'model_name', 'num_ctx'), name='one_row_per_node_and_variant'),
        ),
        migrations.AddConstraint(
            model_name='outputestimate',
            constraint=models.UniqueConstraint(fields=('agent', 'type'), name='one_estimate_per_agent_and_type'),
        ),
        migrations.AddConstraint(
            model_name='pause',
            constraint=models.UniqueConstraint(fields=('kind', 'key'), name='paused_once'),
        ),
    ]

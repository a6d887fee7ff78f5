"""Runs: tasks submitted together. Their state is counted from their tasks, never stored twice."""

from django.conf import settings
from django.db import models

from orchestration.models.agents import Agent
from orchestration.models.workflows import WorkflowVersion
from orchestration.policy.states import RunKind


class Run(models.Model):
    kind = models.CharField(max_length=12, choices=[(kind, kind) for kind in RunKind])
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs"
    )
    agent = models.ForeignKey(Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs")
    agent_name = models.CharField(max_length=80)
    title = models.CharField(max_length=160, blank=True)
    spec = models.JSONField(default=dict, blank=True, help_text="What was asked for, by kind.")
    inputs = models.JSONField(default=dict, blank=True, help_text="What {{input.x}} stands for.")
    report = models.JSONField(null=True, blank=True, help_text="Of a benchmark, once it has ended.")
    workflow_version = models.ForeignKey(
        WorkflowVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs"
    )
    rerun_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="reruns")
    continue_on_error = models.BooleanField(default=False, help_text="A failed step does not stop the ones after it.")
    max_parallel = models.PositiveIntegerField(null=True, blank=True, help_text="Tasks of this run at once.")
    stop_failed_percent = models.FloatField(
        null=True, blank=True, help_text="The rest is cancelled when more than this share of the ended tasks failed."
    )
    deadline_at = models.DateTimeField(null=True, blank=True)
    max_tokens = models.PositiveBigIntegerField(null=True, blank=True, help_text="In and out, over all tasks.")
    max_steps = models.PositiveIntegerField(null=True, blank=True, help_text="Tasks, those of fan-outs included.")
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by_name = models.CharField(max_length=150, blank=True)
    stopped_reason = models.CharField(max_length=300, blank=True, help_text="Why the rest was cancelled.")
    watched = models.BooleanField(default=False, help_text="It is unfinished and has limits, or is paused.")
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 (unique where given)
    request_hash = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    text_removed_at = models.DateTimeField(null=True, blank=True, help_text="With the last text of its tasks.")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], name="run_watched", condition=models.Q(watched=True)),
            models.Index(fields=["kind", "-id"], name="run_by_kind"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["owner", "idempotency_key"], name="one_run_per_idempotency_key"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @property
    def has_limits(self) -> bool:
        limits = (self.max_parallel, self.stop_failed_percent, self.deadline_at, self.max_tokens, self.max_steps)
        return self.paused_at is not None or any(limit is not None for limit in limits)

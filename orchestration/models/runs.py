"""Runs: tasks submitted together. Their state is counted from their tasks, never stored twice."""

from django.conf import settings
from django.db import models

from orchestration.models.agents import Agent
from orchestration.policy.states import RunKind


class Run(models.Model):
    kind = models.CharField(max_length=12, choices=[(kind, kind) for kind in RunKind])
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs"
    )
    agent = models.ForeignKey(Agent, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs")
    agent_name = models.CharField(max_length=80)
    continue_on_error = models.BooleanField(default=False, help_text="A failed step does not stop the ones after it.")
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 (unique where given)
    request_hash = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "idempotency_key"], name="one_run_per_idempotency_key"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

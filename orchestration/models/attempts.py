"""Attempts: one try of a task on one node. An attempt that has not ended holds a slot; the constraint counts slots."""

from django.db import models
from django.db.models import Q

from orchestration.models.fleet import Node
from orchestration.models.tasks import Task
from orchestration.policy.states import AttemptStatus


class Attempt(models.Model):
    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    node = models.ForeignKey(Node, null=True, on_delete=models.SET_NULL, related_name="attempts")
    node_name = models.CharField(max_length=60)
    model_name = models.CharField(max_length=200)
    num_ctx = models.PositiveIntegerField()
    slot = models.PositiveSmallIntegerField()
    token = models.CharField(max_length=32, unique=True)
    status = models.CharField(max_length=10, choices=[(s, s) for s in AttemptStatus], default=AttemptStatus.GRANTED)
    queue = models.CharField(max_length=10)
    decision_reason = models.CharField(max_length=300, blank=True)
    counts_as_try = models.BooleanField(default=True)
    worker = models.CharField(max_length=120, blank=True)

    granted_at = models.DateTimeField()
    lease_until = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    first_token_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    estimated_tokens = models.FloatField(default=0.0, help_text="What its user's account was charged at the start.")
    settled = models.BooleanField(default=False, help_text="Its account is corrected and its lesson learned.")
    node_fault = models.BooleanField(default=False, help_text="Its failure counts against the node's circuit.")
    follow_up = models.CharField(max_length=300, blank=True, help_text="What becomes of the task after it, in words.")
    retry_at = models.DateTimeField(null=True, blank=True, help_text="When the task may be tried again, if at all.")
    inside_seconds = models.FloatField(null=True, blank=True, help_text="It waited this long inside Ollama.")
    load_seconds = models.FloatField(null=True, blank=True)
    prefill_seconds = models.FloatField(null=True, blank=True)
    decode_seconds = models.FloatField(null=True, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    request = models.JSONField(null=True, blank=True, help_text="What was sent to the node, without images.")
    origins = models.JSONField(null=True, blank=True, help_text="Where each option that was sent comes from.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["node", "model_name", "num_ctx", "slot"],
                condition=Q(ended_at__isnull=True),
                name="one_attempt_per_slot",
            ),
            models.UniqueConstraint(
                fields=["task"], condition=Q(ended_at__isnull=True), name="one_live_attempt_per_task"
            ),
            models.UniqueConstraint(fields=["task", "number"], name="attempts_are_numbered"),
        ]
        indexes = [
            models.Index(fields=["lease_until"], name="attempt_by_lease", condition=Q(ended_at__isnull=True)),
            models.Index(fields=["id"], name="attempt_unsettled", condition=Q(ended_at__isnull=False, settled=False)),
            models.Index(fields=["granted_at"], name="attempt_high", condition=Q(queue="high")),
            models.Index(fields=["node", "-id"], name="attempt_failed_on_node", condition=~Q(error_code="")),
            models.Index(fields=["ended_at"], name="attempt_by_end", condition=Q(ended_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of task {self.task_id}"

    @property
    def job_id(self) -> str:
        return f"attempt-{self.pk}"

"""How far the download of a model is. The download itself is a task."""

from django.db import models

from orchestration.models.tasks import Task


class Pull(models.Model):
    """Bytes never go back, whatever a server that begins anew tells. ``layers``: digest, total and done of each."""

    task = models.OneToOneField(Task, primary_key=True, on_delete=models.CASCADE, related_name="pull")
    stage = models.CharField(max_length=100, blank=True, help_text="What the server said last.")
    layers = models.JSONField(default=list, blank=True)
    total_bytes = models.BigIntegerField(null=True, blank=True)
    done_bytes = models.BigIntegerField(default=0)
    failed_at_bytes = models.BigIntegerField(default=0, help_text="How far it was when a try of it last failed.")
    bytes_per_second = models.FloatField(null=True, blank=True)
    updated_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"pull by task {self.task_id}"

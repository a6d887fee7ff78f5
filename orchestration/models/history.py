"""Load as it was: packed points of series, one row for many points, and how far each level of detail has come."""

from django.db import models

from orchestration.models.fleet import Node


class LoadSeries(models.Model):
    """A model on a node, a model, a node, or all together. Its node's name is the last one that was known."""

    node = models.ForeignKey(Node, null=True, blank=True, on_delete=models.SET_NULL, related_name="load_series")
    node_name = models.CharField(max_length=60, blank=True, help_text="Empty: all nodes.")
    model_name = models.CharField(max_length=200, blank=True, help_text="Empty: all models.")
    totals = models.JSONField(default=dict, blank=True, help_text="Sums of all hours that are over, since the first.")

    class Meta:
        ordering = ["node_name", "model_name"]
        verbose_name_plural = "load series"

    def __str__(self) -> str:
        return f"{self.model_name or 'all models'} on {self.node_name or 'all nodes'}"


class LoadChunk(models.Model):
    """Points of one series; policy.series packs and unpacks them. ``level``: of seconds, of minutes, or of hours."""

    series = models.ForeignKey(LoadSeries, on_delete=models.CASCADE, related_name="chunks")
    level = models.PositiveSmallIntegerField()
    starts_at = models.DateTimeField()
    head = models.BinaryField(help_text="What was sampled and counted.")
    waits = models.BinaryField(help_text="Times to the first token, in buckets.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["series", "level", "starts_at"], name="one_chunk_of_a_time")]
        indexes = [models.Index(fields=["level", "starts_at"], name="chunk_by_age")]

    def __str__(self) -> str:
        return f"{self.series_id} from {self.starts_at}"


class LoadMark(models.Model):
    """All points of a level before this moment are final."""

    level = models.PositiveSmallIntegerField(primary_key=True)
    until_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"level {self.level} until {self.until_at}"

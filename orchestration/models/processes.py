"""Drover's own processes as the database sees them: roles held by lease, workers with their capacity."""

from django.db import models


class RoleLease(models.Model):
    """A role that one process holds for a bounded time. ``fence`` grows with each new holder."""

    role = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=120, blank=True)
    fence = models.PositiveBigIntegerField(default=0)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.role} held by {self.holder or 'nobody'}"


class WorkerProcess(models.Model):
    """The heartbeat of one worker. The scheduler grants no more than what live workers can take."""

    name = models.CharField(max_length=120, unique=True)
    hostname = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    capacity = models.PositiveIntegerField()
    in_use = models.PositiveIntegerField(default=0)
    stopping = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "worker processes"

    def __str__(self) -> str:
        return self.name

"""When each node came and went, for the timeline on its page."""

from django.db import models

from orchestration.models.fleet import Node
from orchestration.policy.states import NodeHealth


class HealthChange(models.Model):
    """From this moment on the node was in this health. Only the latest of each node are kept."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="health_changes")
    at = models.DateTimeField()
    health = models.CharField(max_length=12, choices=[(h, h) for h in NodeHealth])
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["node", "-id"], name="health_changes_of_node")]

    def __str__(self) -> str:
        return f"{self.node_id} {self.health} since {self.at:%Y-%m-%d %H:%M}"

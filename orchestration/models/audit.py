"""Who did what, when, to which object. Rows are only ever added."""

from django.conf import settings
from django.db import models


class AuditEntry(models.Model):
    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=150)
    via = models.CharField(max_length=12)
    ip = models.GenericIPAddressField(null=True)
    action = models.CharField(max_length=40, db_index=True)
    object_type = models.CharField(max_length=24)
    object_id = models.BigIntegerField(null=True)
    object_name = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["object_type", "object_id", "-id"], name="audit_of_object")]

    def __str__(self) -> str:
        return f"{self.actor_name}: {self.action} {self.object_name}"

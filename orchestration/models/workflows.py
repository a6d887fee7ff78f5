"""Workflows: saved definitions of steps. Each change makes a version; runs keep the one they were made from."""

from django.conf import settings
from django.db import models as db

from orchestration.models.agents import Agent


class Workflow(db.Model):
    name = db.CharField(max_length=80, unique=True)
    description = db.TextField(blank=True)
    owner = db.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=db.SET_NULL, related_name="workflows"
    )
    agent = db.ForeignKey(Agent, null=True, blank=True, on_delete=db.SET_NULL, related_name="workflows")
    latest = db.PositiveIntegerField(default=1, help_text="The number of its newest version.")
    created_at = db.DateTimeField(auto_now_add=True)
    updated_at = db.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WorkflowVersion(db.Model):
    workflow = db.ForeignKey(Workflow, on_delete=db.CASCADE, related_name="versions")
    number = db.PositiveIntegerField()
    definition = db.JSONField()
    note = db.CharField(max_length=200, blank=True)
    author = db.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=db.SET_NULL, related_name="+")
    author_name = db.CharField(max_length=150, blank=True)
    created_at = db.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [db.UniqueConstraint(fields=["workflow", "number"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.workflow} v{self.number}"

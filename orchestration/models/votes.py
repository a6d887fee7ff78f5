"""Votes: which answer of a comparison somebody found best, row by row."""

from django.conf import settings
from django.db import models as db

from orchestration.models.runs import Run
from orchestration.models.tasks import Task


class Vote(db.Model):
    run = db.ForeignKey(Run, on_delete=db.CASCADE, related_name="votes")
    voter = db.ForeignKey(settings.AUTH_USER_MODEL, on_delete=db.CASCADE, related_name="+")
    row = db.PositiveIntegerField(help_text="The prompt it is about, from 0 on.")
    task = db.ForeignKey(Task, on_delete=db.CASCADE, related_name="votes")
    blind = db.BooleanField(default=False, help_text="Given before the names were shown.")
    created_at = db.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [db.UniqueConstraint(fields=["run", "voter", "row"], name="one_vote_per_row")]

    def __str__(self) -> str:
        return f"vote for task {self.task_id}"

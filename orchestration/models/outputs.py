"""What is kept of answers beside their text: what they are found by, what people think of them, and for how long."""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from orchestration.models.agents import Agent
from orchestration.models.tasks import Task


class Output(models.Model):
    """One answer, with what it is found and counted by. Its text stays with the task; this row outlives it."""

    task = models.OneToOneField(Task, primary_key=True, on_delete=models.CASCADE, related_name="kept")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="outputs"
    )
    agent_name = models.CharField(max_length=80, blank=True)
    model_name = models.CharField(max_length=200, blank=True)
    node_name = models.CharField(max_length=60, blank=True)
    type = models.CharField(max_length=40)
    ended_at = models.DateTimeField()
    chars = models.PositiveIntegerField(default=0)
    has_json = models.BooleanField(default=False)
    rating = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 to 5.")
    rated_by_name = models.CharField(max_length=150, blank=True)
    note = models.TextField(blank=True)
    text_removed_at = models.DateTimeField(null=True, blank=True)
    written_at = models.DateTimeField(null=True, blank=True, help_text="When it was written into the folder.")

    class Meta:
        ordering = ["-task_id"]
        indexes = [
            models.Index(fields=["-ended_at"], name="output_by_end"),
            models.Index(fields=["agent_name", "-task"], name="output_by_agent"),
            models.Index(fields=["model_name", "-task"], name="output_by_model"),
            models.Index(fields=["owner", "-task"], name="output_by_owner"),
            models.Index(fields=["rating", "-task"], name="output_by_rating", condition=Q(rating__isnull=False)),
            models.Index(
                fields=["task"],
                name="output_to_write",
                condition=Q(written_at__isnull=True, text_removed_at__isnull=True),
            ),
            models.Index(
                fields=["agent_name", "ended_at"], name="output_with_text", condition=Q(text_removed_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"output of task {self.task_id}"


class OutputTag(models.Model):
    """One tag of one answer."""

    output = models.ForeignKey(Output, on_delete=models.CASCADE, related_name="tags")
    tag = models.CharField(max_length=40)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tag", "output"], name="each_tag_once")]

    def __str__(self) -> str:
        return self.tag


class Collection(models.Model):
    """Answers that somebody put together. Everybody may look at it."""

    name = models.CharField(max_length=120, unique=True)
    description = models.TextField(blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="collections"
    )
    outputs = models.ManyToManyField(Output, blank=True, related_name="collections")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RetentionRule(models.Model):
    """How long texts and rows are kept, for one agent, or for every agent that has no rule of its own."""

    agent = models.OneToOneField(
        Agent, null=True, blank=True, on_delete=models.CASCADE, related_name="retention", help_text="Empty: all others."
    )
    text_days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Prompts and answers go, the numbers stay."
    )
    task_days = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="The whole task goes."
    )
    keep_collected = models.BooleanField(default=True, help_text="What is in a collection stays for good.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["agent__name"]
        constraints = [models.UniqueConstraint(Coalesce("agent", 0), name="one_rule_for_all_others")]

    def __str__(self) -> str:
        return f"retention of {self.agent.name if self.agent else 'all others'}"


class CleanUp(models.Model):
    """One clean-up that was asked for, by a person or by the clock: what it goes by, and what it removed so far."""

    at = models.DateTimeField()
    by_name = models.CharField(max_length=150)
    scheduled = models.BooleanField(default=False)
    as_of = models.DateTimeField(default=timezone.now, help_text="The moment that ages are counted from.")
    rules = models.JSONField(default=list, help_text="The rules as they were when it was asked for.")
    counts = models.JSONField(default=dict)
    ended_at = models.DateTimeField(null=True, blank=True)
    stopped_by_name = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["id"], name="clean_up_unfinished", condition=Q(ended_at__isnull=True))]

    def __str__(self) -> str:
        return f"clean-up of {self.at:%Y-%m-%d %H:%M}"


class FolderSink(models.Model):
    """How writing answers into the folder goes: one row, of the process that leads."""

    folder = models.CharField(max_length=4096, blank=True)
    files = models.PositiveBigIntegerField(default=0)
    written_at = models.DateTimeField(null=True, blank=True, help_text="The last one.")
    problem = models.CharField(max_length=300, blank=True)
    problem_since = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.folder or "no folder"

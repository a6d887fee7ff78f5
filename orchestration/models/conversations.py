"""Conversations: a tree of turns, each what a person said and the task that answers it; and what agents remember."""

from django.conf import settings
from django.db import models as db

from orchestration.models.agents import Agent
from orchestration.models.documents import Document
from orchestration.models.tasks import Task


class Conversation(db.Model):
    owner = db.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=db.SET_NULL, related_name="conversations"
    )
    agent = db.ForeignKey(Agent, null=True, blank=True, on_delete=db.SET_NULL, related_name="conversations")
    agent_name = db.CharField(max_length=80)
    title = db.CharField(max_length=160, blank=True)
    head = db.ForeignKey(
        "Turn", null=True, blank=True, on_delete=db.SET_NULL, related_name="+", help_text="The end of the branch shown."
    )
    documents = db.ManyToManyField(Document, blank=True, related_name="conversations")
    created_at = db.DateTimeField(auto_now_add=True)
    updated_at = db.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-updated_at"]
        indexes = [db.Index(fields=["owner", "-updated_at"], name="conversation_by_owner")]

    def __str__(self) -> str:
        return self.title or f"conversation {self.pk}"


class Turn(db.Model):
    """Turns with the same parent are branches: another answer, or another wording."""

    conversation = db.ForeignKey(Conversation, on_delete=db.CASCADE, related_name="turns")
    parent = db.ForeignKey("self", null=True, blank=True, on_delete=db.CASCADE, related_name="branches")
    text = db.TextField()
    images = db.JSONField(default=list, blank=True)
    image_count = db.PositiveSmallIntegerField(default=0)
    task = db.OneToOneField(Task, null=True, blank=True, on_delete=db.SET_NULL, related_name="turn")
    remembers = db.BooleanField(default=False, help_text="Its answer may note facts, and has not been read for them.")
    text_removed_at = db.DateTimeField(null=True, blank=True, help_text="It was kept as long as the rule said.")
    created_at = db.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [db.Index(fields=["task"], name="turn_remembers", condition=db.Q(remembers=True))]

    def __str__(self) -> str:
        return f"turn {self.pk}"


class Memory(db.Model):
    """A fact that goes into every conversation with the agent."""

    agent = db.ForeignKey(Agent, on_delete=db.CASCADE, related_name="memories")
    text = db.CharField(max_length=500)
    source = db.CharField(max_length=6, choices=[("person", "person"), ("agent", "agent")], default="person")
    author = db.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=db.SET_NULL, related_name="+")
    author_name = db.CharField(max_length=150, blank=True)
    conversation = db.ForeignKey(Conversation, null=True, blank=True, on_delete=db.SET_NULL, related_name="memories")
    created_at = db.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "memories"

    def __str__(self) -> str:
        return self.text

    @property
    def owner_id(self) -> int | None:
        """Whose it is for permissions: who pinned it, or in whose conversation the agent noted it."""
        return self.author_id

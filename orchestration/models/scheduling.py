"""What the scheduler remembers between two passes: plans, what it learned, accounts, and what people have paused."""

from django.conf import settings
from django.db import models

from orchestration.models.agents import Agent
from orchestration.models.fleet import Node
from orchestration.policy.states import PauseKind, Priority


class NodeVariant(models.Model):
    """What is known of one variant on one node, whether or not it is loaded now. Seconds and bytes as last measured."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="variants")
    model_name = models.CharField(max_length=200)
    num_ctx = models.PositiveIntegerField()
    tokens_per_second = models.FloatField(null=True, blank=True, help_text="Of a single stream alone on the node.")
    load_seconds = models.FloatField(null=True, blank=True)
    last_load_seconds = models.FloatField(null=True, blank=True, help_text="Of the load that loaded_at ended.")
    run_seconds = models.FloatField(null=True, blank=True)
    size_bytes = models.BigIntegerField(null=True, blank=True, help_text="In memory, as the server told.")
    slots = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Learned; empty: as the node says.")
    slots_at = models.DateTimeField(null=True, blank=True, help_text="When that last changed.")
    clean_runs = models.PositiveIntegerField(default=0, help_text="Since a request last waited inside Ollama.")
    loaded_at = models.DateTimeField(null=True, blank=True, help_text="When Drover loaded it; empty when it is gone.")
    last_used_at = models.DateTimeField(null=True, blank=True)
    outside_until = models.DateTimeField(null=True, blank=True, help_text="Others were seen using it: busy until then.")
    load_failures = models.PositiveIntegerField(default=0)
    load_not_before = models.DateTimeField(null=True, blank=True)
    load_error = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["node", "model_name", "num_ctx"], name="one_row_per_node_and_variant")
        ]

    def __str__(self) -> str:
        return f"{self.model_name} at {self.num_ctx} on {self.node.name}"


class LoadPlan(models.Model):
    """The one load a node is committed to: a node loads one model at a time. ``victims`` are [model, context] pairs."""

    node = models.OneToOneField(Node, primary_key=True, on_delete=models.CASCADE, related_name="load_plan")
    model_name = models.CharField(max_length=200)
    num_ctx = models.PositiveIntegerField()
    victims = models.JSONField(default=list)
    lane = models.ForeignKey("Lane", null=True, blank=True, on_delete=models.SET_NULL, related_name="load_plans")
    reason = models.CharField(max_length=300, blank=True)
    patience = models.BooleanField(default=False, help_text="Displaces busy models for a task that waited too long.")
    preload = models.BooleanField(default=False)
    planned_at = models.DateTimeField()
    loading_since = models.DateTimeField(null=True, blank=True)
    expected_seconds = models.FloatField(default=0.0)
    token = models.CharField(max_length=32, unique=True)

    def __str__(self) -> str:
        return f"load of {self.model_name} on {self.node.name}"


class OutputEstimate(models.Model):
    """How many tokens the answers of an agent's tasks of one type take."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="output_estimates")
    type = models.CharField(max_length=40)
    tokens = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "type"], name="one_estimate_per_agent_and_type")]

    def __str__(self) -> str:
        return f"{self.tokens:.0f} tokens for {self.type} by {self.agent.name}"


class ShareAccount(models.Model):
    """The tokens a user has received, by the number that tasks carry as ``share``; it need not be a user's any more."""

    share = models.PositiveBigIntegerField(primary_key=True)
    service = models.FloatField(default=0.0)
    active = models.BooleanField(default=False, help_text="Had something unfinished at the last pass.")

    def __str__(self) -> str:
        return f"{self.service:.0f} tokens for {self.share}"


class Pause(models.Model):
    """Something that starts nothing new until somebody resumes it. ``key``: a priority, an agent's id, a model."""

    kind = models.CharField(max_length=10, choices=[(kind, kind) for kind in PauseKind])
    key = models.CharField(max_length=200)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="pauses"
    )
    paused_by_name = models.CharField(max_length=150)
    paused_at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["kind", "key"]
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="paused_once")]

    def __str__(self) -> str:
        return f"{Priority(int(self.key)).name.lower()} priority" if self.kind == PauseKind.PRIORITY else self.key

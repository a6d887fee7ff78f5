"""Agents: who does the work. Tasks keep a frozen copy of what they need, so an agent can change or go."""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models as db

from orchestration.policy.agent_kinds import manner
from orchestration.policy.states import AgentKind


class Agent(db.Model):
    name = db.CharField(max_length=80, unique=True)
    description = db.TextField(blank=True)
    kind = db.CharField(max_length=12, choices=[(kind, kind) for kind in AgentKind], default=AgentKind.CUSTOM)
    system_prompt = db.TextField(  # noqa: DJ001 - nothing said and nothing wanted are two things
        null=True, blank=True, help_text="Null: as its kind has it. Empty: none at all."
    )
    models = db.JSONField(default=list, blank=True, help_text="Names it may use; empty means any model.")
    default_model = db.CharField(max_length=200, blank=True)
    routing_preferences = db.JSONField(default=dict, blank=True, help_text="Kind of task to model name.")
    preset = db.CharField(max_length=60, blank=True, help_text="An execution preset, under its own options.")
    options = db.JSONField(default=dict, blank=True)
    fallbacks = db.JSONField(default=list, blank=True, help_text="Models to go on with when one is missing or fails.")
    prefer_labels = db.JSONField(default=list, blank=True, help_text="Models with these labels are taken first.")
    think = db.JSONField(null=True, blank=True, help_text="Empty: as its kind does.")
    answer_schema = db.JSONField(null=True, blank=True, help_text="JSON schema that answers must follow.")
    memory_enabled = db.BooleanField(default=False, help_text="Facts are remembered from one conversation to others.")
    router = db.CharField(max_length=80, blank=True, help_text="An installed extension that chooses the models.")
    extension = db.CharField(max_length=80, blank=True, help_text="An installed extension around each call.")
    max_concurrent_tasks = db.PositiveSmallIntegerField(default=3, validators=[MinValueValidator(1)])
    timeout_seconds = db.FloatField(null=True, blank=True, validators=[MinValueValidator(1)])
    max_tries = db.PositiveSmallIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    retry_delay_seconds = db.FloatField(null=True, blank=True, validators=[MinValueValidator(0)])
    retry_growth = db.FloatField(null=True, blank=True, validators=[MinValueValidator(1)])
    retry_on = db.JSONField(default=list, blank=True, help_text="Error codes that are tried again; empty: as usual.")
    owner = db.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=db.SET_NULL, related_name="agents")
    created_at = db.DateTimeField(auto_now_add=True)
    updated_at = db.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def prompt_in_force(self) -> str:
        """What its tasks get: its own, else its kind's."""
        return manner(self.kind).system_prompt if self.system_prompt is None else self.system_prompt

    @property
    def think_in_force(self) -> bool | str | None:
        own: bool | str | None = self.think
        return manner(self.kind).think if own is None else own

"""What holds for the whole fleet where a model, an agent or a task says nothing else, and presets to choose from."""

from django.core.validators import MinValueValidator
from django.db import models


class Preset(models.Model):
    """A named set of options, put under the own options of whatever names it."""

    name = models.CharField(max_length=60, unique=True)
    description = models.CharField(max_length=300, blank=True)
    options = models.JSONField(default=dict, blank=True)
    think = models.JSONField(null=True, blank=True)
    built_in = models.BooleanField(default=False)

    class Meta:
        ordering = ["-built_in", "name"]

    def __str__(self) -> str:
        return self.name


class FleetDefaults(models.Model):
    """One row, with the key 1. What is empty is as the settings have it."""

    default_model = models.CharField(max_length=200, blank=True, help_text="For agents that name none.")
    preset = models.CharField(max_length=60, blank=True)
    options = models.JSONField(default=dict, blank=True)
    think = models.JSONField(null=True, blank=True)
    timeout_seconds = models.FloatField(null=True, blank=True, validators=[MinValueValidator(1)])
    keep_alive_seconds = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0)])
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = verbose_name_plural = "fleet defaults"

    def __str__(self) -> str:
        return "defaults of the fleet"

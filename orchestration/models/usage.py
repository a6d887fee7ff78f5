"""What was used day by day, added up when attempts are settled: it stays when the tasks themselves are gone."""

from django.db import models

SUMS = (
    *("completed", "failed", "failed_tries", "cancelled_tries", "prompt_tokens", "output_tokens"),
    *("load_seconds", "prefill_seconds", "decode_seconds", "broken_seconds", "run_seconds"),
    *("first_token_seconds", "first_tokens"),
)
"""What is added up."""


class UsageDay(models.Model):
    """Of one day in UTC, by who asked, which agent it was asked of, and what answered where."""

    day = models.DateField()
    share = models.PositiveBigIntegerField(help_text="The user; 0 is nobody.")
    agent_name = models.CharField(max_length=80)
    model_name = models.CharField(max_length=200)
    node_name = models.CharField(max_length=60)
    type = models.CharField(max_length=40)

    completed = models.PositiveBigIntegerField(default=0, help_text="Tasks.")
    failed = models.PositiveBigIntegerField(default=0, help_text="Tasks, after their last try.")
    failed_tries = models.PositiveBigIntegerField(default=0, help_text="Those that were tried again among them.")
    cancelled_tries = models.PositiveBigIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    load_seconds = models.FloatField(default=0.0)
    prefill_seconds = models.FloatField(default=0.0)
    decode_seconds = models.FloatField(default=0.0)
    broken_seconds = models.FloatField(default=0.0, help_text="At the node, of tries whose figures it never told.")
    run_seconds = models.FloatField(default=0.0, help_text="From the start to the end of completed tries.")
    first_token_seconds = models.FloatField(default=0.0, help_text="Up to the first token, of all that had one.")
    first_tokens = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "share", "agent_name", "model_name", "node_name", "type"], name="one_sum_per_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.agent_name} with {self.model_name} on {self.node_name}"

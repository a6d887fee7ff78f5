"""Tasks, the lanes they wait in, and the edges between them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import models as db
from django.db.models import F, Q
from django.utils import timezone

from orchestration.models.agents import Agent
from orchestration.models.documents import Document
from orchestration.models.fleet import Node
from orchestration.models.rows import update_each
from orchestration.models.runs import Run
from orchestration.policy.states import TASK_SOURCES, UNFINISHED, Gate, Priority, TaskStatus


class Lane(db.Model):
    """Tasks of one agent and type that may use the same models with the same context size share one queue."""

    key = db.CharField(max_length=64, unique=True, help_text="SHA-256 of agent, type, models, context size and node.")
    agent = db.ForeignKey(Agent, null=True, blank=True, on_delete=db.SET_NULL, related_name="lanes")
    type = db.CharField(max_length=40, blank=True)
    models = db.JSONField(default=list)
    num_ctx = db.PositiveIntegerField()
    node = db.ForeignKey(
        Node, null=True, blank=True, on_delete=db.CASCADE, related_name="+", help_text="The only one it may use."
    )
    waiting_code = db.CharField(max_length=20, blank=True)
    waiting_reason = db.CharField(max_length=300, blank=True, help_text="Why its head waits, as of the last pass.")
    outlook = db.JSONField(default=dict, blank=True, help_text="When it goes on, as far as that is known.")

    def __str__(self) -> str:
        return f"{', '.join(self.models)} at {self.num_ctx}"


_READY = Q(status=TaskStatus.PENDING, not_before__isnull=True)

HEAVY = (
    "input",
    "messages",
    "images",
    "output",
    "thinking",
    "tool_calls",
    "vectors",
    "system_prompt",
    "metadata",
    "parameters",
    "options",
    "origins",
    "tools",
    "format",
    "fallbacks",
    "template",
    "passages",
)
"""Columns that no list needs and that may be large."""


class Move(NamedTuple):
    """One of many: the task, the token of the attempt that holds it (empty while it waits), and what becomes of it."""

    task_id: int
    held_by: str
    fields: Mapping[str, Any]


class TaskQuerySet(db.QuerySet["Task"]):
    def light(self) -> "TaskQuerySet":
        """For lists: without the heavy columns, with what a row names."""
        return self.select_related("owner", "lane").defer(*HEAVY)

    def transition(self, task_id: int, to: TaskStatus, *, held_by: str | None = None, **fields: Any) -> bool:
        """Moves one task if its present status allows it. False means somebody was first: an outcome, not an error.

        With ``held_by``, the token of an attempt, the task must also still belong to that attempt.
        """
        rows = self.filter(pk=task_id)
        return bool(rows.transition_all(to, held_by=held_by, **fields))

    def transition_all(self, to: TaskStatus, *, held_by: str | None = None, **fields: Any) -> int:
        """The same for every row of this query that may move; the number of rows moved."""
        rows = self.filter(status__in=TASK_SOURCES[to])
        if held_by is not None:
            rows = rows.filter(token=held_by)
        return rows.update(status=to, version=F("version") + 1, **fields)

    def transition_each(self, to: TaskStatus, moves: Sequence[Move], **fields: Any) -> int:
        """Moves many tasks at once, each with values of its own for the same fields; the number of tasks moved.

        Nobody learns which of them did not: lock the rows before where that matters. ``fields`` are those that all get.
        """
        changes = [({"id": move.task_id, "token": move.held_by}, move.fields) for move in moves]
        same = {"status": to.value, **fields}
        return update_each(self.model, changes, same=same, among={"status": TASK_SOURCES[to]}, count="version")


class Task(db.Model):
    """One unit of work. What it needs of its agent is frozen into it when it is submitted."""

    run = db.ForeignKey(Run, on_delete=db.CASCADE, related_name="tasks")
    position = db.PositiveIntegerField(default=0)
    owner = db.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=db.SET_NULL, related_name="tasks")
    agent = db.ForeignKey(Agent, null=True, blank=True, on_delete=db.SET_NULL, related_name="tasks")
    agent_name = db.CharField(max_length=80)
    lane = db.ForeignKey(Lane, on_delete=db.PROTECT, related_name="tasks")
    type = db.CharField(max_length=40)
    title = db.CharField(max_length=160)
    status = db.CharField(max_length=10, choices=[(s, s) for s in TaskStatus], default=TaskStatus.PENDING)
    priority = db.SmallIntegerField(choices=[(p.value, p.name.lower()) for p in Priority], default=Priority.NORMAL)
    version = db.PositiveIntegerField(default=0)
    token = db.CharField(max_length=32, blank=True, help_text="Of the attempt that holds the task.")
    share = db.PositiveBigIntegerField(default=0, help_text="The user whose part of the fleet it takes; 0 is nobody's.")
    awaited = db.BooleanField(default=False, help_text="Other tasks wait for its end, and have not been told of it.")
    tags = db.JSONField(default=list, blank=True)
    client_ref = db.CharField(max_length=200, blank=True)
    retried_from = db.ForeignKey("self", null=True, blank=True, on_delete=db.SET_NULL, related_name="retries")

    step = db.CharField(max_length=80, blank=True, help_text="What other steps of the run call it.")
    parent = db.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=db.CASCADE,
        related_name="items",
        help_text="The step it is one item of.",
    )
    template = db.JSONField(null=True, blank=True, help_text="What is filled in when the steps before it have ended.")
    gate = db.SmallIntegerField(choices=[(g.value, g.name.lower()) for g in Gate], default=Gate.FREE)
    skipped_because = db.CharField(max_length=300, blank=True)
    content_hash = db.CharField(max_length=64, blank=True, help_text="SHA-256 of what a row of a batch asks for.")

    created_at = db.DateTimeField(auto_now_add=True)
    line_at = db.DateTimeField(default=timezone.now, help_text="When its run was submitted: its place in the line.")
    ready_at = db.DateTimeField(null=True, blank=True, help_text="Since when it could start.")
    not_before = db.DateTimeField(null=True, blank=True, help_text="It backs off; cleared when the time has come.")
    started_at = db.DateTimeField(null=True, blank=True)
    ended_at = db.DateTimeField(null=True, blank=True)
    cancel_requested_at = db.DateTimeField(null=True, blank=True)

    attempt_id = db.BigIntegerField(null=True, blank=True, help_text="The latest one.")
    attempt_count = db.PositiveIntegerField(default=0)
    tries = db.PositiveIntegerField(default=0, help_text="Failed attempts that count against max_tries.")
    max_tries = db.PositiveSmallIntegerField(default=3, help_text="As of the last try.")
    own_max_tries = db.PositiveSmallIntegerField(
        null=True, blank=True, help_text="What it was submitted with; empty: its agent or model decides."
    )
    preemptions = db.PositiveSmallIntegerField(default=0, help_text="How often it made way for a high task.")

    model_name = db.CharField(max_length=200, blank=True, help_text="The one asked for; empty means any of the lane.")
    model_used = db.CharField(max_length=200, blank=True)
    fallbacks = db.JSONField(default=list, blank=True, help_text="Models that are left to go on with.")
    routing_reason = db.CharField(max_length=300, blank=True, help_text="Why these models.")
    prefer_node_id = db.BigIntegerField(null=True, blank=True, help_text="Taken where it is no worse than others.")
    node = db.ForeignKey(Node, null=True, blank=True, on_delete=db.SET_NULL, related_name="tasks")
    node_name = db.CharField(max_length=60, blank=True)
    decision_reason = db.CharField(max_length=300, blank=True)
    progress = db.PositiveSmallIntegerField(default=0)
    phase = db.CharField(max_length=12, blank=True)
    message = db.CharField(max_length=300, blank=True)
    error_code = db.CharField(max_length=40, blank=True)
    error = db.TextField(blank=True)

    prompt_tokens = db.PositiveIntegerField(null=True, blank=True)
    output_tokens = db.PositiveIntegerField(null=True, blank=True)
    queued_seconds = db.FloatField(null=True, blank=True)
    load_seconds = db.FloatField(null=True, blank=True)
    prefill_seconds = db.FloatField(null=True, blank=True)
    decode_seconds = db.FloatField(null=True, blank=True)
    first_token_seconds = db.FloatField(null=True, blank=True, help_text="From the start of the attempt.")
    duration_seconds = db.FloatField(null=True, blank=True, help_text="From submission to the end.")

    timeout_seconds = db.FloatField(null=True, blank=True)
    keep_alive_seconds = db.FloatField(null=True, blank=True)
    system_prompt = db.TextField(blank=True)
    input = db.JSONField(default=str, help_text="The prompt, or for embed a list of texts.")
    messages = db.JSONField(null=True, blank=True)
    parameters = db.JSONField(default=dict, blank=True, help_text="As sent.")
    preset = db.CharField(max_length=60, blank=True, help_text="Asked for with the task.")
    options = db.JSONField(default=dict, blank=True, help_text="Ollama options after merging, without num_ctx.")
    origins = db.JSONField(default=dict, blank=True, help_text="Where each of these options comes from.")
    format = db.JSONField(null=True, blank=True)
    tools = db.JSONField(null=True, blank=True)
    extension = db.CharField(max_length=80, blank=True, help_text="Of the agent, around its calls.")
    think = db.JSONField(null=True, blank=True)
    metadata = db.JSONField(default=dict, blank=True)
    images = db.JSONField(default=list, blank=True)
    documents = db.ManyToManyField(Document, blank=True, related_name="tasks")
    passages = db.JSONField(default=list, blank=True, help_text="What of the documents went into the prompt.")
    passages_note = db.CharField(max_length=300, blank=True, help_text="How they were chosen.")
    output = db.TextField(blank=True)
    thinking = db.TextField(blank=True)
    tool_calls = db.JSONField(default=list, blank=True)
    vectors = db.JSONField(null=True, blank=True)
    gathered = db.BooleanField(default=False, help_text="Its answer is among those that can be searched.")
    text_removed_at = db.DateTimeField(null=True, blank=True, help_text="Its texts were kept as long as the rule said.")

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            db.Index(
                fields=["lane", "priority", "share", "line_at", "id"], name="task_ready_by_share", condition=_READY
            ),
            db.Index(fields=["lane", "priority", "ready_at"], name="task_ready_by_age", condition=_READY),
            db.Index(fields=["not_before"], name="task_backing_off", condition=Q(not_before__isnull=False)),
            db.Index(fields=["share"], name="task_unfinished_by_share", condition=Q(status__in=sorted(UNFINISHED))),
            db.Index(fields=["status"], name="task_awaited", condition=Q(awaited=True)),
            db.Index(fields=["status", "-id"], name="task_by_status"),
            db.Index(fields=["owner", "-id"], name="task_by_owner"),
            db.Index(fields=["agent_name", "-id"], name="task_by_agent"),
            db.Index(fields=["model_used", "-id"], name="task_by_model"),
            db.Index(fields=["node_name", "-id"], name="task_by_node"),
            db.Index(fields=["run", "position"], name="task_by_run"),
            db.Index(fields=["run", "status"], name="task_by_run_and_status"),
            db.Index(
                fields=["run", "gate", "position"],
                name="task_gated",
                condition=Q(gate__gt=0, status__in=sorted(UNFINISHED)),
            ),
            db.Index(fields=["agent", "content_hash"], name="task_by_content", condition=~Q(content_hash="")),
            db.Index(
                fields=["agent", "owner"],
                name="task_unfinished",
                condition=Q(status__in=sorted(UNFINISHED)),
            ),
            db.Index(
                fields=["ended_at"],
                name="task_with_text",
                condition=Q(ended_at__isnull=False, text_removed_at__isnull=True),
            ),
            db.Index(fields=["id"], name="task_to_gather", condition=Q(status="completed", gathered=False)),
            db.Index(
                fields=["status", "-ended_at"],
                name="task_by_end",
                condition=Q(ended_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"task {self.pk}: {self.title}"

    @property
    def waited_since(self) -> datetime:
        return self.ready_at or self.created_at


class TaskDependency(db.Model):
    """``task`` may start when ``needs`` has ended well; where the edge is soft, when it has ended at all."""

    task = db.ForeignKey(Task, on_delete=db.CASCADE, related_name="dependencies")
    needs = db.ForeignKey(Task, on_delete=db.CASCADE, related_name="dependents")
    soft = db.BooleanField(default=False)

    class Meta:
        constraints = [db.UniqueConstraint(fields=["task", "needs"], name="one_edge_between_two_tasks")]

    def __str__(self) -> str:
        return f"{self.task_id} needs {self.needs_id}"

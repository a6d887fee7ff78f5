"""Fan-out: a step that makes one task of each item of a list, and ends when all of them have."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from orchestration.errors import Unprocessable
from orchestration.models import Task, TaskDependency
from orchestration.policy.lists import items_of
from orchestration.policy.states import ENDED, Gate, TaskStatus
from orchestration.policy.templates import fill
from orchestration.services.answers import as_text, check_length, in_order, output_of
from orchestration.services.passages import for_each_of

MOST_ITEMS = 1000
_TITLE = 160
_COPIED = (
    *("run_id", "position", "owner_id", "agent_id", "agent_name", "lane_id", "type", "priority", "share", "tags"),
    *("line_at", "own_max_tries", "max_tries", "model_name", "timeout_seconds", "keep_alive_seconds"),
    *("system_prompt", "input", "messages", "parameters", "options", "format", "tools", "think", "metadata", "images"),
    *("fallbacks", "routing_reason", "prefer_node_id", "extension", "passages", "passages_note"),
    *("preset", "origins"),
)


def spread(task: Task, values: Mapping[str, str], now: datetime) -> list[int]:
    """Makes the tasks of a fan-out step and has the step wait for their end. Raises Unprocessable."""
    template = dict(task.template or {})
    check_length([template["for_each"]], values)
    items = items_of(fill(template["for_each"], values))
    _check_number(task, len(items))
    if "documents" in template:
        template["documents"] = for_each_of(task, values, len(items))
    made = Task.objects.bulk_create([_item(task, template, item, index) for index, item in enumerate(items)])
    pairs = [(task, item) for item in made]
    if at_once := template.get("parallel"):
        pairs += zip(made[at_once:], made, strict=False)
    edges = [TaskDependency(task=late, needs=early, soft=True) for late, early in pairs]
    TaskDependency.objects.bulk_create(edges, batch_size=500)
    Task.objects.filter(pk=task.pk).update(
        template={**(task.template or {}), "expanded": len(items)}, version=task.version + 1
    )
    if not made:
        seconds = (now - task.created_at).total_seconds()
        done: dict[str, Any] = {
            "ended_at": now,
            "duration_seconds": seconds,
            "progress": 100,
            "message": "The list was empty",
        }
        Task.objects.transition(task.pk, TaskStatus.COMPLETED, **done)
    return [item.pk for item in made]


def _check_number(task: Task, count: int) -> None:
    most = min(MOST_ITEMS, (task.template or {}).get("most") or MOST_ITEMS)
    if count > most:
        raise Unprocessable(f"The list has {count:,} items; at most {most:,} are taken.")
    most = min(settings.DROVER_MAX_TASKS_PER_REQUEST, task.run.max_steps or settings.DROVER_MAX_TASKS_PER_REQUEST)
    if count and task.run.tasks.count() + count > most:
        raise Unprocessable(f"{count:,} more tasks would be more than the {most:,} that the run may have.")


def _item(task: Task, template: Mapping[str, Any], item: Any, index: int) -> Task:
    kept = {name: template[name] for name in ("input", "messages", "system", "names", "documents") if name in template}
    return Task(
        **{name: getattr(task, name) for name in _COPIED},
        parent=task,
        step=f"{task.step}[{index + 1}]"[:80],
        title=next(iter(as_text(item).strip().splitlines()), task.title)[:_TITLE],
        status=TaskStatus.BLOCKED,
        gate=Gate.HELD if task.gate == Gate.HELD else Gate.FREE,
        awaited=True,
        template={**kept, "item": item, "index": index},
    )


def join(task: Task, now: datetime, ended: Mapping[str, Any]) -> None:
    """The step ends as its items did; its answer is theirs, with a blank line between them."""
    items = in_order(task.items.all())
    bad = [item for item in items if item.status in ENDED and item.status != TaskStatus.COMPLETED]
    output = "\n\n".join(output_of(item) for item in items if item.status == TaskStatus.COMPLETED)
    if bad and not task.run.continue_on_error:
        words = f"{len(bad)} of {len(items)} items did not complete: {_named(bad)}"
        fields = {"error": words, "error_code": "items_failed", "output": output}
        Task.objects.transition(task.pk, TaskStatus.FAILED, **ended, **fields)
    else:
        Task.objects.transition(task.pk, TaskStatus.COMPLETED, **ended, output=output, progress=100)


def _named(items: Sequence[Task]) -> str:
    shown = ", ".join(item.step for item in items[:5])
    return f"{shown} and {len(items) - 5} more" if len(items) > 5 else shown

"""What the placeholders of a step stand for: earlier answers, the run's inputs, the item of a fan-out."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings

from orchestration.errors import Unprocessable
from orchestration.models import Task
from orchestration.models.tasks import TaskQuerySet
from orchestration.policy.templates import fill, filled_length


class Answers:
    """Of the steps that others quote. Those that quote the same, as the items of a fan-out do, share one look."""

    def __init__(self) -> None:
        self._of: tuple[Any, ...] = ()
        self._read: dict[str, str] = {}

    def for_step(self, task: Task) -> dict[str, str]:
        """By name, for a task whose needs have ended. Needs ``run`` selected. Raises Unprocessable."""
        template = task.template or {}
        names: Mapping[str, int] = template.get("names", {})
        of = (task.run_id, *names.items())
        if of != self._of:
            inputs = {f"input.{name}": as_text(value) for name, value in task.run.inputs.items()}
            self._of, self._read = of, inputs | _quoted(task.run_id, names)
        return self._read | _item(template)


def _quoted(run_id: int, names: Mapping[str, int]) -> dict[str, str]:
    found = _outputs(run_id, set(names.values()))
    lists = _lists(run_id, {position for name, position in names.items() if name.endswith(".outputs")})
    values = {}
    for name, position in names.items():
        if position not in found:
            raise Unprocessable(f"Step {position + 1}, which {{{{{name}}}}} quotes, has been deleted.")
        values[name] = lists[position] if name.endswith(".outputs") else found[position]
    return values


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def filled(template: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """The fields of the task, each text filled once. Raises Unprocessable."""
    check_length(texts_in(template), values)
    fields: dict[str, Any] = {}
    if (messages := template.get("messages")) is not None:
        fields["messages"] = [{**each, "content": fill(each.get("content", ""), values)} for each in messages]
    elif isinstance(template.get("input"), list):
        fields["input"] = [fill(text, values) for text in template["input"]]
    elif "input" in template:
        fields["input"] = fill(template["input"], values)
    if template.get("system") is not None:
        fields["system_prompt"] = fill(template["system"], values)
    return fields


def texts_in(template: Mapping[str, Any]) -> list[str]:
    """Where placeholders may stand."""
    texts = template.get("input", "")
    messages = [each.get("content", "") for each in template.get("messages") or ()]
    return [*([texts] if isinstance(texts, str) else texts), *messages, template.get("system") or ""]


def check_length(texts: Iterable[str], values: Mapping[str, str]) -> None:
    """Raises Unprocessable before a text is made that nothing would take."""
    length, most = sum(filled_length(text, values) for text in texts), settings.DROVER_MAX_PROMPT_CHARS
    if length > most:
        raise Unprocessable(f"With what it quotes the prompt has {length:,} characters; at most {most:,} are taken.")


def output_of(task: Task) -> str:
    return json.dumps(task.vectors) if task.vectors is not None else task.output


def _outputs(run_id: int, positions: set[int]) -> dict[int, str]:
    rows = _said(run_id, positions).filter(parent=None) if positions else ()
    return {task.position: output_of(task) for task in rows}


def _lists(run_id: int, positions: set[int]) -> dict[int, str]:
    """The answers of fan-outs, item by item, as JSON."""
    found: dict[int, list[str]] = {position: [] for position in positions}
    rows = _said(run_id, positions).exclude(parent=None) if positions else ()
    for task in in_order(rows):
        found[task.position].append(output_of(task))
    return {position: json.dumps(outputs, ensure_ascii=False) for position, outputs in found.items()}


def _said(run_id: int, positions: set[int]) -> TaskQuerySet:
    return Task.objects.filter(run_id=run_id, position__in=positions).only("position", "template", "output", "vectors")


def in_order(items: Iterable[Task]) -> list[Task]:
    """The items of a fan-out as they stood in its list."""
    return sorted(items, key=lambda task: (task.position, (task.template or {}).get("index", 0)))


def _item(template: Mapping[str, Any]) -> dict[str, str]:
    if "item" not in template:
        return {}
    item = template["item"]
    values = {"item": as_text(item), "index": str(template.get("index", 0) + 1)}
    if isinstance(item, dict):
        values |= {f"item.{name}": as_text(value) for name, value in item.items()}
    return values

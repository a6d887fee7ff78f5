"""How values look in lists and on forms: state words, ages, links into the dashboard, JSON, long texts."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orchestration.models import Task
from orchestration.payloads.tasks import state_of
from orchestration.policy.states import TaskStatus

NOTHING = "—"

Shown = SafeString | str


def column(field: str, show: Callable[[Any], Shown], title: str = "") -> Callable[[Any, Any], Shown]:
    """A method for list_display and fields that shows one field of the object in another way."""

    @admin.display(description=title or field.removesuffix("_at").replace("_", " "), ordering=field)
    def shown(_: Any, obj: Any) -> Shown:
        return show(getattr(obj, field))

    return shown


def state(word: str, *, label: str = "") -> SafeString:
    return format_html('<span class="state" data-state="{}">{}</span>', word, label or word)


def task_state(task: Task) -> SafeString:
    """The phase of a running task is known to the live pages only, so here it is just running."""
    word = state_of(task)
    if task.status == TaskStatus.RUNNING and word != "cancelling":
        word = "running"
    return state(word)


def age(at: datetime | None) -> Shown:
    """``3 min`` ago, or ahead, with the exact time as the tooltip."""
    if at is None:
        return NOTHING
    seconds = (timezone.now() - at).total_seconds()
    words = f"{_span(seconds)} ago" if seconds >= 0 else f"in {_span(-seconds)}"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), moment(at), words)


def moment(at: datetime | None) -> str:
    return NOTHING if at is None else f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S %Z}"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def seconds(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f} s"


def milliseconds(value: float | None) -> str:
    return NOTHING if value is None else f"{value * 1000:.0f} ms"


def size(count: int | None) -> str:
    return NOTHING if count is None else f"{count / 1e9:.1f} GB"


def listed(words: list[str]) -> str:
    return ", ".join(words) or NOTHING


def as_json(value: Any) -> Shown:
    if value in (None, "", [], {}):
        return NOTHING
    return text(json.dumps(value, indent=2, ensure_ascii=False))


def text(value: str) -> Shown:
    return format_html('<pre class="text">{}</pre>', value) if value else NOTHING


def link(url: str | None, words: str) -> Shown:
    return format_html('<a href="{}">{}</a>', url, words) if url else words


def dashboard_url(name: str, *args: Any) -> str | None:
    """The page of the dashboard with this name; None where the site has none."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return None

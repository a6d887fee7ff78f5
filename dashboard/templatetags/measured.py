"""Measured figures with their spread, and the state of a run in the words of the state language."""

from collections.abc import Callable
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dashboard.templatetags.marks import state
from dashboard.templatetags.numbers import DASH, number, rate, seconds
from orchestration.payloads.benchmarks import SpreadPayload

register = template.Library()

RUN_STATES = {"pending": "waiting", "running": "generating"}
FORMS: dict[str, Callable[[Any], str]] = {"seconds": seconds, "rate": rate, "number": number}


@register.simple_tag
def run_state(status: str) -> SafeString:
    """A run does not generate; its word stays, with the icon and colour of what is alive."""
    return SafeString(
        state(RUN_STATES.get(status, status), badge=True, label="waiting" if status == "pending" else status)
    )


@register.filter
def as_form(value: float | None, form: str) -> str:
    """``seconds``, ``rate`` or ``number``."""
    return FORMS[form](value)


@register.filter
def figure(value: float, name: str) -> str:
    """A figure of a benchmark's cell."""
    return seconds(value) if name.endswith("_seconds") else rate(value)


@register.filter
def signed(percent: float | None) -> str:
    return DASH if percent is None else f"{percent:+.1f} %".replace("-", "−")


@register.simple_tag
def spread(found: SpreadPayload | None) -> SafeString | str:
    """The median, and the quartiles in small."""
    if found is None:
        return DASH
    words = "" if found["low"] is None else f"95 % interval of the mean: {rate(found['low'])} to {rate(found['high'])}"
    return format_html(
        '<span title="{}">{} <span class="ink-3">{}–{}</span></span>',
        words,
        rate(found["median"]),
        rate(found["q1"]),
        rate(found["q3"]),
    )

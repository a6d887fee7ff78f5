"""How far a batch is, in words and as a bar; ``static/js/batch.js`` says the same."""

from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.templatetags.numbers import number, short
from orchestration.payloads.batches import BatchRow, EstimatePayload, EtaPayload

register = template.Library()

SEGMENTS = {"completed": "completed", "failed": "failed", "cancelled": "cancelled", "running": "generating"}
"""What fills the bar, in this order, and the state whose colour it has. What waits is the empty rest."""
STATES = {"pending": "waiting", "running": "generating"}
WORDS = {"pending": "waiting"}


@register.simple_tag
def segments(counts: dict[str, int], rows: int) -> SafeString:
    parts, start = [], 0.0
    for word, state in SEGMENTS.items():
        width = 100 * counts[word] / rows if rows else 0.0
        parts.append((word, state, f"{start:.3f}", f"{width:.3f}"))
        start += width
    rects = format_html_join("", '<rect data-segment="{}" data-state="{}" x="{}%" width="{}%" height="100%"/>', parts)
    return format_html(
        '<svg class="bar" role="img" aria-label="{}" data-segments>{}</svg>', summed(counts, rows), rects
    )


@register.filter
def state_of(status: str) -> str:
    return STATES.get(status, status)


@register.filter
def word_of(status: str) -> str:
    """In the language of states what is pending waits."""
    return WORDS.get(status, status)


def summed(counts: dict[str, int], rows: int) -> str:
    told = ", ".join(f"{number(counts[word])} {word}" for word in SEGMENTS if counts[word])
    return f"{told or 'nothing has ended'}, of {number(rows)} rows"


@register.filter
def left(eta: EtaPayload | None) -> str:
    """``≈ 12 min, 9 min to 15 min``; empty where nobody can know."""
    if eta is None:
        return ""
    earliest, latest = short(eta["earliest_seconds"]), short(eta["latest_seconds"])
    about = f"≈ {short(max(1.0, eta['seconds']))}"
    return about if earliest == latest else f"{about}, {earliest} to {latest}"


@register.filter
def said(row: BatchRow) -> str:
    """The answer, or what stands in its place: what went wrong, or why it waits."""
    return row["output"] or row["error"] or row["message"]


@register.filter
def expected(estimate: EstimatePayload) -> str:
    """``≈ 38 min at 2 slots; about 412k tokens``, as far as that is known."""
    parts = []
    if estimate["seconds"] is not None:
        slots = estimate["slots"]
        parts.append(f"≈ {short(max(1.0, estimate['seconds']))} at {number(slots)} slot{'' if slots == 1 else 's'}")
    tokens = (estimate["prompt_tokens"] or 0) + (estimate["output_tokens"] or 0)
    if tokens:
        parts.append(f"about {thousands(tokens)} tokens{'' if estimate['output_tokens'] is not None else ' to read'}")
    return "; ".join(parts)


@register.filter
def thousands(value: int) -> str:
    if value < 1000:
        return str(value)
    return f"{value / 1000:,.0f}k" if value < 1_000_000 else f"{value / 1_000_000:,.1f}M"


@register.filter
def shown(value: Any) -> str:
    """A limit in a field."""
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

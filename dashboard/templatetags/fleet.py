"""What pages show of nodes: how much of a model the processor does, and when a node was reachable."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.templatetags.numbers import absolute, memory
from orchestration.policy.node_hints import spilled_share

register = template.Library()
register.filter("memory", memory)

HEALTH_STATES = {"healthy": "completed", "unhealthy": "failed", "unknown": "blocked"}
HEALTH_WORDS = {"healthy": "reachable", "unhealthy": "not reachable", "unknown": "not known"}


@register.filter
def spilled(model: Mapping[str, Any]) -> int:
    """Percent of a loaded model that the processor does; 0 for one that fits, or where nothing is in video memory."""
    if not model["loaded"] or not model["vram_bytes"]:
        return 0
    share = spilled_share(model["loaded_bytes"], model["vram_bytes"])
    return max(1, round(share * 100)) if share else 0


@register.simple_tag
def reachability(timeline: Mapping[str, Any]) -> SafeString:
    """One bar over the whole range; each part says what it was, from when to when."""
    parts = format_html_join(
        "",
        '<rect x="{}%" width="{}%" height="100%" data-state="{}"><title>{}</title></rect>',
        (
            (
                f"{100 * span['start']:.3f}",
                f"{max(0.15, 100 * span['share']):.3f}",
                HEALTH_STATES[span["health"]],
                span_words(span),
            )
            for span in timeline["spans"]
        ),
    )
    return format_html('<svg class="bar bar--lg" role="img" aria-label="{}">{}</svg>', in_words(timeline), parts)


@register.filter
def span_words(span: Mapping[str, Any]) -> str:
    why = f": {span['reason']}" if span["reason"] else ""
    return f"{HEALTH_WORDS[span['health']]} from {absolute(span['since'])} to {absolute(span['until'])}{why}"


@register.filter
def in_words(timeline: Mapping[str, Any]) -> str:
    if timeline["reachable"] is None:
        return "nothing is known of this time"
    outages = timeline["outages"]
    times = "" if not outages else f", {outages} outage{'s' if outages > 1 else ''}"
    return f"reachable {_percent(timeline['reachable'])} of the known time{times}"


@register.filter
def outages(timeline: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The latest first."""
    return [span for span in reversed(timeline["spans"]) if span["health"] == "unhealthy"]


def _percent(share: float) -> str:
    """99.96 is not 100."""
    return "100 %" if share == 1 else f"{min(99.99, 100 * share):.2f} %".replace(".00", "")

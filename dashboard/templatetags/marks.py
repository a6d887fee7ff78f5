"""Small drawings: icons, state words, health dots, bars, pips, avatars. Widths are SVG attributes, so the CSP holds."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.templatetags.numbers import held
from orchestration.payloads import ResidentModel

register = template.Library()

STATES = {
    "blocked": "waits for a step",
    "held": "held by its run",
    "waiting": "waiting",
    "starting": "starting",
    "loading": "loading model",
    "prefill": "prefill",
    "generating": "generating",
    "working": "working",
    "retrying": "retrying",
    "cancelling": "cancelling",
    "completed": "completed",
    "skipped": "skipped",
    "paused": "paused",
    "failed": "failed",
    "cancelled": "cancelled",
}
HEALTH = {
    "healthy": ("ok", "online"),
    "draining": ("drain", "draining"),
    "unhealthy": ("down", "unreachable"),
    "disabled": ("idle", "disabled"),
    "unknown": ("unknown", "not seen yet"),
}
PIPS_DRAWN = 12
SERIES = 6


@register.simple_tag
def icon(name: str, size_class: str = "") -> SafeString:
    classes = f"i i--{size_class}" if size_class else "i"
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#i-{}"/></svg>', classes, static("icons.svg"), name
    )


@register.simple_tag
def state(word: str, *, badge: bool = False, label: str = "") -> SafeString:
    """Icon, word and colour together, the same everywhere."""
    return format_html(
        '<span class="state{}" data-state="{}">{}<span class="state__word">{}</span></span>',
        " state--badge" if badge else "",
        word,
        icon(word if word in STATES else "circle"),
        label or STATES.get(word, word),
    )


@register.simple_tag
def dot(status: str) -> SafeString:
    """A node's health by shape and colour."""
    shape, word = HEALTH.get(status, ("unknown", status))
    return format_html(
        '<span class="dot" data-health="{0}" role="img" aria-label="{1}" title="{1}"></span>', shape, word
    )


@register.filter
def health_word(status: str) -> str:
    return HEALTH.get(status, ("", status))[1]


@register.simple_tag
def avatar(name: str | None) -> SafeString:
    if not name:
        return format_html('<span class="ink-3" title="{}">—</span>', "nobody: its owner is gone")
    return format_html('<span class="avatar" title="{}">{}</span>', name, name[:2])


@register.simple_tag
def bar(share: float | None, label: str = "") -> SafeString:
    """A bar filled to ``share`` percent; hatched when unknown."""
    if share is None:
        return format_html('<svg class="bar" role="img" aria-label="{}">{}</svg>', label or "unknown", _unknown())
    return format_html(
        '<svg class="bar" role="img" aria-label="{}"><rect width="{}%" height="100%"/></svg>',
        label or f"{share:.0f} %",
        f"{min(100.0, max(0.0, share)):.1f}",
    )


def _unknown() -> SafeString:
    return format_html('<rect width="{}" height="100%" class="unk"/>', "100%")


@register.simple_tag
def slots(used: int | None, total: int | None, *, loading: bool = False) -> SafeString:
    """One pip for one allowed parallel request; a dash where the number is not known."""
    if used is None or not total:
        return format_html('<span class="ink-3" title="{}">—</span>', "loaded nowhere")
    drawn = min(total, PIPS_DRAWN)
    filled = min(drawn, -(-used * drawn // total))
    pips = format_html_join("", "<i{}></i>", ((_lit(loading) if index < filled else "",) for index in range(drawn)))
    label = f"{used} of {total} slots used"
    return format_html('<span class="slots" role="img" aria-label="{}">{}</span>', label, pips)


def _lit(loading: bool) -> SafeString:
    return format_html(' data-on="{}"', "loading" if loading else "busy")


def series_of(names: Iterable[str]) -> dict[str, int]:
    """A chart colour from 1 to 6 for each model, the same on every page: hashed, then the next one that is free."""
    taken: dict[str, int] = {}
    for name in sorted(set(names)):
        wanted = sum(map(ord, name)) % SERIES
        free = next((s for i in range(SERIES) if (s := (wanted + i) % SERIES + 1) not in taken.values()), 0)
        taken[name] = free
    return taken


@register.simple_tag
def swatch(series: dict[str, int], name: str) -> SafeString:
    return format_html('<span class="swatch" data-series="{}"></span>', series.get(name, 0))


@register.simple_tag
def vram(models: Sequence[ResidentModel], total: int | None, series: dict[str, int], known: bool) -> SafeString:
    """Video memory by model. Hatched when the node does not answer or its memory is not known."""
    used = [(model["name"], model["vram_bytes"] or 0) for model in models]
    label = ", ".join(f"{model['name']} {held(model)}" for model in models) or "nothing loaded"
    if not known or not total:
        why = label if known else "unknown"
        return format_html('<svg class="bar" role="img" aria-label="{}">{}</svg>', why, _unknown())
    rects = format_html_join(
        "", '<rect x="{}%" width="{}%" height="100%" data-series="{}"/>', _shares(used, total, series)
    )
    return format_html('<svg class="bar" role="img" aria-label="{}">{}</svg>', label, rects)


def _shares(used: Sequence[tuple[str, int]], total: int, series: dict[str, int]) -> list[tuple[str, str, int]]:
    shares, start = [], 0.0
    for name, count in used:
        width = 100 * count / total
        shares.append((f"{start:.2f}", f"{max(0.0, width - 0.4):.2f}", series.get(name, 0)))
        start += width
    return shares


@register.simple_tag
def spark(name: str, label: str, *, live: bool = False, tall: bool = False) -> SafeString:
    """An empty trend line that the page fills as samples arrive."""
    classes = "spark" + (" spark--live" if live else "") + (" spark--tall" if tall else "")
    return format_html(
        '<svg class="{}" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label="{}" data-spark="{}">'
        '<path class="area"/><path class="line"/></svg>',
        classes,
        label,
        name,
    )


@register.simple_tag
def unknown(why: str) -> SafeString:
    return format_html('<span class="ink-3" title="{}">—</span>', why)


@register.simple_tag
def command(text: str) -> SafeString:
    """A command to copy."""
    return format_html(
        '<div class="cmd"><span tabindex="0">{}</span><button class="btn btn--icon btn--ghost btn--sm only-js" '
        'type="button" data-copy="{}" aria-label="Copy" title="Copy">{}</button></div>',
        text,
        text,
        icon("copy"),
    )


@register.filter
def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)

"""Figures as people read them. Unknown is a dash, never zero; ``static/js/format.js`` writes the same words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

DASH = "—"
GIGABYTE = 1_000_000_000
MEGABYTE = 1_000_000
GIBIBYTE = 2**30
PRIORITIES = {0: "high", 1: "normal", 2: "low"}


@register.filter
def seconds(value: float | None) -> str:
    """A duration: 23 ms, 12.4 s, 3 min 48 s, 2 h 05 min."""
    if value is None:
        return DASH
    if value < 0.1:
        return f"{value * 1000:.0f} ms"
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


@register.filter
def short(value: float | None) -> str:
    """An age in one unit: 12 s, 4 min, 3 h, 2 d."""
    if value is None:
        return DASH
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if value >= size:
            return f"{int(value // size)} {unit}"
    return f"{max(0, int(value))} s"


@register.filter
def about(value: float) -> str:
    """An estimate in one unit, never nothing."""
    return f"about {short(max(1, round(value)))}"


@register.filter
def rate(value: float | None) -> str:
    """Tokens per second: one decimal below a hundred."""
    if value is None:
        return DASH
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


@register.filter
def size(value: int | None) -> str:
    """Bytes as Ollama prints them: decimal gigabytes or megabytes."""
    if value is None:
        return DASH
    return f"{value / MEGABYTE:.0f} MB" if value < GIGABYTE else f"{value / GIGABYTE:.1f} GB"


def memory(value: int | None) -> str:
    """Video memory as it is sold: a 24 GB card has 24 times 2^30 bytes."""
    if value is None:
        return DASH
    return f"{value / 2**20:.0f} MB" if value < GIBIBYTE else f"{value / GIBIBYTE:.1f} GB"


def memory_figure(value: int | None) -> str:
    """The number of gigabytes alone: whole where it is whole."""
    return DASH if value is None else f"{value / GIBIBYTE:.1f}".removesuffix(".0")


@register.filter
def held(model: Mapping[str, Any]) -> str:
    """What a loaded model takes: of video memory, and of RAM what did not fit there or has no GPU to go to."""
    vram, loaded = model["vram_bytes"], model["loaded_bytes"]
    if vram is None or loaded is None or loaded <= vram:
        return memory(vram)
    ram = f"{memory(loaded - vram)} RAM"
    return f"{memory(vram)} + {ram}" if vram else ram


@register.filter
def held_on_node(node: Mapping[str, Any]) -> str:
    return f"{memory(node['loaded_bytes'])} RAM" if _without_gpu(node) else memory_figure(node["vram_used_bytes"])


@register.filter
def room_of_node(node: Mapping[str, Any]) -> str:
    return "" if _without_gpu(node) else f"/ {memory_figure(node['vram_bytes'])} GB"


def _without_gpu(node: Mapping[str, Any]) -> bool:
    """All that is loaded lies in main memory."""
    return bool(node["vram_used_bytes"] == 0 and node["loaded_bytes"])


@register.filter
def number(value: int | None) -> str:
    return DASH if value is None else f"{value:,}"


@register.filter
def priority(value: int) -> str:
    return PRIORITIES.get(value, str(value))


@register.filter
def percent(part: float | None, whole: float | None) -> str:
    if part is None or not whole:
        return DASH
    return f"{100 * part / whole:.1f} %"


def moment(value: str | datetime | None) -> datetime | None:
    """A time from a payload or a row."""
    if isinstance(value, str):
        return datetime.fromisoformat(value) if value else None
    return value


@register.filter
def age(value: str | datetime | None) -> SafeString | str:
    """How long ago, kept up to date by the page, with the absolute time on hover."""
    at = moment(value)
    if at is None:
        return DASH
    stamp = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    passed = (timezone.now() - at).total_seconds()
    return format_html('<time datetime="{}" title="{}" data-age>{}</time>', stamp, absolute(at), short(passed))


@register.filter
def absolute(value: str | datetime | None) -> str:
    at = moment(value)
    return timezone.localtime(at).strftime("%-d %b %Y, %H:%M:%S %Z") if at else DASH


@register.filter
def clock(value: str | datetime | None) -> SafeString | str:
    """The time of day."""
    at = moment(value)
    if at is None:
        return DASH
    stamp = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    local = timezone.localtime(at)
    return format_html('<time datetime="{}" title="{}" data-clock>{}</time>', stamp, absolute(at), f"{local:%H:%M:%S}")


@register.filter
def until(value: str | datetime | None) -> SafeString | str:
    """How long still, as 3:41, counted down by the page."""
    at = moment(value)
    if at is None:
        return DASH
    stamp = at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    left = max(0, int((at - timezone.now()).total_seconds()))
    if left >= 86_400:
        return format_html('<span title="{}">never</span>', absolute(at))
    return format_html('<time datetime="{}" title="{}" data-until>{}</time>', stamp, absolute(at), countdown(left))


def countdown(left: int) -> str:
    hours, rest = divmod(left, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{secs:02d}" if hours else f"{minutes}:{secs:02d}"


@register.filter
def at_key(mapping: dict[str, Any], key: str) -> Any:
    return mapping.get(key)

"""What is decided about how tasks are done, as people read it."""

import json
from typing import Any

from django import template

from dashboard.templatetags.numbers import number, seconds

register = template.Library()

FOREVER = 3650 * 86_400


@register.filter
def said(value: Any, name: str) -> str:
    """A value of the setting with this name."""
    if name in ("keep_alive_seconds", "timeout_seconds"):
        return "for ever" if value < 0 or value >= FOREVER else seconds(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return number(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

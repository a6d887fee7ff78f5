"""Form fields in the clothes of the design: one class for each kind of widget, errors tied to their field."""

from django import template
from django.forms import BoundField, CheckboxInput, Select, Textarea
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def is_check(field: BoundField) -> bool:
    return isinstance(field.field.widget, CheckboxInput)


@register.filter
def aside(field: BoundField) -> str:
    """What stands beside the label: the note of the field, else that it may stay empty."""
    return str(field.field.widget.attrs.get("data-aside", ""))


@register.filter
def styled(field: BoundField) -> SafeString:
    widget = field.field.widget
    kind = "area" if isinstance(widget, Textarea) else "select" if isinstance(widget, Select) else "input"
    described = [f"{field.id_for_label}_hint"] if field.help_text else []
    attrs: dict[str, str | bool] = {"class": f"{kind} {widget.attrs.get('class', '')}".strip()}
    if field.errors:
        attrs["aria-invalid"] = "true"
        described.insert(0, f"{field.id_for_label}_error")
    if described:
        attrs["aria-describedby"] = " ".join(described)
    return field.as_widget(attrs=attrs)

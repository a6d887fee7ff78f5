"""Form parts that all admin pages share: refusals of a service shown at their field, and lists typed as words."""

import re
from typing import Any, ClassVar

from django import forms

from orchestration.errors import DroverError


class RefusableForm(forms.ModelForm):  # type: ignore[type-arg]
    """A form that shows what a service refused, beside what was typed. ``refused`` is set by ServiceAdmin.get_form."""

    refused: ClassVar[DroverError | None] = None

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.refused:
            for name, message in problems(self.refused).items():
                self.add_error(name if name in self.fields else None, message)


def problems(error: DroverError) -> dict[str, str]:
    """What is wrong, by field where the service named one."""
    named = error.detail.get("fields")
    if isinstance(named, dict) and named:
        return {str(name): str(message) for name, message in named.items()}
    return {str(error.detail.get("field", "")): error.message}


class WordsField(forms.CharField):
    """A list of strings, typed with commas or line ends between them."""

    def to_python(self, value: Any) -> Any:
        parts = value if isinstance(value, list) else re.split(r"[,\n]", value or "")
        return list(dict.fromkeys(part.strip() for part in parts if part.strip()))

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.to_python(initial) != self.to_python(data))

"""Fields for images, and a choice of models that says which of them see."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from orchestration.services.specs import MAX_IMAGE_BYTES, MAX_IMAGES


class ImagesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class ImagesField(forms.FileField):
    """Several images; each is looked at for its size before anything is read."""

    widget = ImagesInput

    def clean(self, data: Any, initial: Any = None) -> "list[UploadedFile[Any]]":
        files = [item for item in (data or []) if item]
        if len(files) > MAX_IMAGES:
            raise forms.ValidationError(f"At most {MAX_IMAGES} images; these are {len(files)}.")
        for item in files:
            if item.size > MAX_IMAGE_BYTES:
                raise forms.ValidationError(f"{item.name} is larger than {MAX_IMAGE_BYTES // 2**20} MB.")
            if not (item.content_type or "").startswith("image/"):
                raise forms.ValidationError(f"{item.name} is not an image.")
        return files


class ModelSelect(forms.Select):
    """Models that are known to see nothing are marked, so that the page can say so beside images."""

    def __init__(self, *, choices: Any, capabilities: Mapping[str, list[str]]) -> None:
        super().__init__(choices=choices)
        self._blind = {name for name, able in capabilities.items() if able and "vision" not in able}

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if str(value) in self._blind:
            option["attrs"]["data-blind"] = True
        return option

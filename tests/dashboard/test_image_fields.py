"""Fields for images, and the choice of models beside them."""

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile

from dashboard import image_fields
from dashboard.image_fields import ImagesField, ModelSelect


def image(name="a.png", size=10, kind="image/png"):
    return SimpleUploadedFile(name, b"x" * size, kind)


def test_several_images_are_taken():
    files = [image(), image("b.png")]
    assert ImagesField(required=False).clean(files) == files


@pytest.mark.parametrize(
    ("files", "words"),
    [([image()] * 17, "At most 16"), ([image(kind="text/html")], "is not an image"), ([image(size=2_000)], "larger")],
)
def test_too_many_too_large_and_other_files_are_refused(files, words, monkeypatch):
    monkeypatch.setattr(image_fields, "MAX_IMAGE_BYTES", 1_000)
    with pytest.raises(forms.ValidationError, match=words):
        ImagesField(required=False).clean(files)


def test_models_that_are_known_to_see_nothing_are_marked():
    choices = [("", "any"), ("sees", "sees"), ("blind", "blind"), ("old", "old")]
    able = {"sees": ["completion", "vision"], "blind": ["completion"], "old": []}
    html = ModelSelect(choices=choices, capabilities=able).render("model", "")
    assert html.count("data-blind") == 1
    assert '<option value="blind" data-blind>' in html

"""What people fill in to talk."""

import base64

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from dashboard.chat_forms import SayForm


def form(text: str, key: str = "k", image: bytes = b"") -> SayForm:
    files = {"images": [SimpleUploadedFile("a.png", image, "image/png")]} if image else {}
    found = SayForm({"text": text, "form_key": key}, files)
    found.is_valid()
    return found


def test_line_ends_of_browsers_are_made_plain_and_blanks_are_kept() -> None:
    assert form("  a\r\nb ").saying().text == "  a\nb "


@pytest.mark.parametrize("text", ["", "  ", "\r\n"])
def test_nothing_said_is_refused(text: str) -> None:
    assert form(text).errors["text"] == ["Say something."]


def test_images_become_base64() -> None:
    assert form("Look.", image=b"picture").saying().images == [base64.b64encode(b"picture").decode()]


def test_the_key_tells_form_content_and_place_apart() -> None:
    key = form("Hello.").request_key("/chat/1/say")
    assert key == form("Hello.").request_key("/chat/1/say")
    assert key != form("Hello.").request_key("/chat/2/say")
    assert key != form("Bye.").request_key("/chat/1/say")
    assert form("Hello.", key="").request_key("/chat/1/say") is None

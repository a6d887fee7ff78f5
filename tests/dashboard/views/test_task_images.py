"""Images of a task, given back only where they are pictures."""

import base64

import pytest
from django.urls import reverse

PNG = b"\x89PNG\r\n\x1a\n and so on"
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"


@pytest.fixture
def task(submit):
    images = [base64.b64encode(data).decode() for data in (PNG, SVG)]
    return submit("What is this?", images=images).tasks.get()


def test_a_picture_is_shown_with_its_own_type(client, carol, task):
    client.force_login(carol)
    answer = client.get(reverse("task-image", args=[task.pk, 0]))
    assert (answer.content, answer["Content-Type"]) == (PNG, "image/png")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_what_could_carry_a_script_is_not_shown(client, carol, task):
    client.force_login(carol)
    assert client.get(reverse("task-image", args=[task.pk, 1])).status_code == 404


def test_a_number_too_high_and_a_stranger_get_nothing(client, carol, task):
    assert client.get(reverse("task-image", args=[task.pk, 0])).status_code == 302
    client.force_login(carol)
    assert client.get(reverse("task-image", args=[task.pk, 2])).status_code == 404

"""The log and the login link."""

import io
import logging

import pytest
from django.test import Client

from orchestration.services.users import make_login_link


@pytest.fixture
def written(monkeypatch):
    """What the log's own handler writes."""
    (handler,) = [
        it for it in logging.getLogger().handlers if getattr(it.formatter, "_fmt", "").startswith("{asctime}")
    ]
    stream = io.StringIO()
    monkeypatch.setattr(handler, "stream", stream)
    return stream


def test_a_refused_login_keeps_its_token_out_of_the_log(alice, written):
    token = make_login_link(alice)
    assert Client(enforce_csrf_checks=True).post(f"/start/{token}").status_code == 403
    assert "/start/…" in written.getvalue()
    assert token not in written.getvalue()


def test_everything_else_is_written_as_it_is(written):
    logging.getLogger("drover.test").warning("%s: %d of %s", "Gone", 5, "/tasks/7")
    assert written.getvalue().endswith("Gone: 5 of /tasks/7\n")

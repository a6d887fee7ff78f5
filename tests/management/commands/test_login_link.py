"""The way in without a password."""

from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from orchestration.management import data_folder
from orchestration.services import users


def link(**options):
    out = StringIO()
    call_command("login_link", stdout=out, **options)
    return out.getvalue().strip()


def token(url):
    return url.rpartition("/start/")[2]


def test_it_logs_the_first_admin_in_once(alice):
    url = link()
    assert url.startswith("http://127.0.0.1:8000/start/")
    assert users.use_login_link(token(url)) == alice
    assert users.use_login_link(token(url)) is None


def test_it_leads_to_the_drover_that_runs_on_this_data_folder(alice, monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "DROVER_DATA", tmp_path)
    with data_folder.held(tmp_path) as hold:
        hold.note(data_folder.Start(pid=1, url="http://127.0.0.1:8123"))
        assert link().startswith("http://127.0.0.1:8123/start/")


def test_it_can_be_for_somebody_else_and_somewhere_else(bob):
    url = link(user="bob", url="https://drover.example.org/")
    assert url.startswith("https://drover.example.org/start/")
    assert users.use_login_link(token(url)) == bob


def test_an_unknown_user_is_an_error(db):
    with pytest.raises(CommandError, match="nobody"):
        link(user="nobody")

"""Flags, then the environment, then the file; and no key goes where it does not belong."""

import stat

import pytest

from orchestration.cli import configuration
from orchestration.cli.failures import Misused

HOME = "http://drover.lan:8000"


@pytest.fixture
def environment(tmp_path):
    return {"XDG_CONFIG_HOME": str(tmp_path)}


@pytest.fixture
def stored(environment):
    path = configuration.file_path(environment)
    configuration.save(path, {"url": HOME, "api_key": 'k"ey\\'})
    return path


def test_the_file_is_below_the_xdg_folder_and_else_in_the_home(tmp_path, monkeypatch):
    assert configuration.file_path({"XDG_CONFIG_HOME": "/x"}).as_posix() == "/x/drover/config.toml"
    monkeypatch.setenv("HOME", str(tmp_path))
    for environment in ({}, {"XDG_CONFIG_HOME": "relative"}):
        assert configuration.file_path(environment) == tmp_path / ".config/drover/config.toml"


def test_without_anything_it_is_the_drover_of_this_machine(environment):
    assert configuration.resolve(environment=environment) == configuration.Settings("http://127.0.0.1:8000")


def test_what_is_saved_is_read_again_and_only_its_owner_can(environment, stored):
    settings = configuration.resolve(environment=environment)
    assert (settings.url, settings.api_key) == (HOME, 'k"ey\\')
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert stat.S_IMODE(stored.parent.stat().st_mode) == 0o700
    assert [path.name for path in stored.parent.iterdir()] == ["config.toml"]


def test_flags_win_over_the_environment_and_that_over_the_file(environment, stored):
    environment |= {"DROVER_URL": "http://b", "DROVER_API_KEY": "key-b"}
    assert configuration.resolve(environment=environment) == configuration.Settings("http://b", "key-b")
    assert configuration.resolve("http://c", "key-c", environment) == configuration.Settings("http://c", "key-c")


def test_a_stored_key_is_not_sent_to_another_address(environment, stored):
    settings = configuration.resolve("http://elsewhere:8000", environment=environment)
    assert (settings.api_key, settings.key_kept_back) == ("", True)
    assert configuration.resolve(f"{HOME}/", environment=environment).api_key == 'k"ey\\'


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("gpu.lan:8000", "http://gpu.lan:8000"),
        (" https://Drover.example/team/ ", "https://drover.example/team"),
        ("http://a/api/orchestration/", "http://a"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_addresses_are_completed(text, url):
    assert configuration.normal_url(text) == url


@pytest.mark.parametrize("text", ["", "ftp://a", "http://", "http://a:port", "http://u:p@a", "http://a?x=1", "a b"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(Misused, match="not the address"):
        configuration.normal_url(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [("url = ", "not valid TOML"), ("uri = 'x'", "'uri', which is not known"), ("url = 3", "must be a text")],
)
def test_a_broken_file_is_named_with_what_is_wrong(environment, stored, text, words):
    stored.write_text(text)
    with pytest.raises(Misused, match=words):
        configuration.resolve(environment=environment)


def test_a_file_that_others_can_read_is_noticed_when_it_has_a_key(stored):
    assert not configuration.readable_by_others(stored)
    stored.chmod(0o644)
    assert configuration.readable_by_others(stored)
    stored.write_text(f'url = "{HOME}"\n')
    assert not configuration.readable_by_others(stored)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "drover").write_text("a file")
    with pytest.raises(Misused, match="cannot be written"):
        configuration.save(tmp_path / "drover" / "config.toml", {"url": HOME})

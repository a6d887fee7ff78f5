"""Sealing: the database never holds the plain form, keys can change, and a lost key is said in words."""

import pytest

from orchestration.errors import SecretsUnreadable
from orchestration.services import secrets

HEADERS = {"authorization": "Bearer s3cret-t0ken"}
OLD, NEW = "the key of last year, 16+", "the key of this year, 16+"


def test_what_is_sealed_does_not_show_and_comes_back_whole():
    sealed = secrets.seal(HEADERS)
    assert "s3cret" not in sealed
    assert "authorization" not in sealed
    assert secrets.opened(sealed) == HEADERS


def test_nothing_to_seal_is_nothing_to_open():
    assert secrets.seal({}) == ""
    assert secrets.opened("") == {}


def test_sealing_twice_does_not_look_the_same():
    assert secrets.seal(HEADERS) != secrets.seal(HEADERS)


def test_a_new_key_seals_and_the_old_one_still_opens(settings):
    settings.DROVER_SECRETS_KEYS = [OLD]
    before = secrets.seal(HEADERS)
    settings.DROVER_SECRETS_KEYS = [NEW, OLD]
    assert secrets.opened(before) == HEADERS
    fresh = secrets.resealed(before)
    settings.DROVER_SECRETS_KEYS = [NEW]
    assert secrets.opened(fresh) == HEADERS


def test_the_secret_key_opens_what_it_sealed_before_there_were_keys(settings):
    before = secrets.seal(HEADERS)
    settings.DROVER_SECRETS_KEYS = [NEW]
    assert secrets.opened(before) == HEADERS


@pytest.mark.parametrize("change", [{"SECRET_KEY": "another one"}, {"DROVER_SECRETS_KEYS": [NEW]}])
def test_a_lost_key_says_what_to_do(settings, change):
    settings.DROVER_SECRETS_KEYS = [OLD]
    sealed = secrets.seal(HEADERS)
    settings.DROVER_SECRETS_KEYS = []
    for name, value in change.items():
        setattr(settings, name, value)
    with pytest.raises(SecretsUnreadable, match="DROVER_SECRETS_KEYS"):
        secrets.opened(sealed)


@pytest.mark.parametrize("rubbish", ["x", "gAAAA", "ä"])
def test_rubbish_in_the_column_is_a_lost_key_and_no_crash(rubbish):
    with pytest.raises(SecretsUnreadable):
        secrets.opened(rubbish)

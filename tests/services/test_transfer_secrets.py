"""Credentials that travel sealed: who knows the passphrase opens them, nobody else does."""

import pytest

from orchestration.errors import InvalidInput
from orchestration.models import Node
from orchestration.services import secrets
from orchestration.services.transfer_secrets import holders, opened, sealed


@pytest.fixture
def two(db: None) -> None:
    Node.objects.create(name="gpu-a", base_url="http://a.test", sealed_headers=secrets.seal({"x-team": "herd-secret"}))
    Node.objects.create(name="gpu-b", base_url="http://b.test")


def test_what_is_sealed_is_opened_with_the_same_passphrase_only(two: None) -> None:
    document = sealed("größe des stalls", ["gpu-a", "gpu-b"])
    assert "herd-secret" not in str(document)
    assert opened(document, "größe des stalls") == {"gpu-a": {"x-team": "herd-secret"}, "gpu-b": {}}
    with pytest.raises(InvalidInput, match="does not open"):
        opened(document, "größe des stalle")


def test_each_is_sealed_with_another_salt(two: None) -> None:
    one, other = sealed("long enough", ["gpu-a"]), sealed("long enough", ["gpu-a"])
    assert one["salt"] != other["salt"]
    assert one["sealed"] != other["sealed"]


def test_only_named_nodes_are_in_it(two: None) -> None:
    assert opened(sealed("long enough", ["gpu-b"]), "long enough") == {"gpu-b": {}}
    assert holders() == {"gpu-a"}

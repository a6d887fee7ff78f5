"""Credentials that travel sealed: who knows the passphrase opens them, nobody else does."""

import pytest

from orchestration.errors import InvalidInput
from orchestration.models import Node
from orchestration.permissions import SYSTEM
from orchestration.policy.transfer import Problem
from orchestration.services import secrets
from orchestration.services.transfer_secrets import Held, holders, opened, restore, sealed


@pytest.fixture
def two(db: None) -> None:
    Node.objects.create(name="gpu-a", base_url="http://a.test", sealed_headers=secrets.seal({"x-team": "herd-secret"}))
    Node.objects.create(name="gpu-b", base_url="http://b.test")


def test_what_is_sealed_is_opened_with_the_same_passphrase_only(two: None) -> None:
    document = sealed("größe des stalls", ["gpu-a", "gpu-b"])
    assert "herd-secret" not in str(document)
    assert opened(document, "größe des stalls") == {
        "gpu-a": Held("http://a.test", {"x-team": "herd-secret"}),
        "gpu-b": Held("http://b.test", {}),
    }
    with pytest.raises(InvalidInput, match="does not open"):
        opened(document, "größe des stalle")


def test_each_is_sealed_with_another_salt(two: None) -> None:
    one, other = sealed("long enough", ["gpu-a"]), sealed("long enough", ["gpu-a"])
    assert one["salt"] != other["salt"]
    assert one["sealed"] != other["sealed"]


def test_only_named_nodes_are_in_it(two: None) -> None:
    assert opened(sealed("long enough", ["gpu-b"]), "long enough") == {"gpu-b": Held("http://b.test", {})}
    assert holders() == {"gpu-a"}


def test_a_node_that_is_another_server_by_now_is_not_sent_them(two: None) -> None:
    document = sealed("long enough", ["gpu-a"])
    Node.objects.filter(name="gpu-a").update(base_url="http://mallory.test", sealed_headers="", header_names=[])
    problems: list[Problem] = []
    restored, warnings = restore(SYSTEM, document, "long enough", problems)
    assert (restored, problems, holders()) == ([], [], set())
    assert "gpu-a has another address than http://a.test" in warnings[0]

"""Changing the key: everything is sealed anew, and what no key opens is named."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from orchestration.models import AuditEntry, Node
from orchestration.services import nodes, secrets

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

OLD, NEW = "the key of last year, 16+", "the key of this year, 16+"
BEARER = {"type": "bearer", "token": "tok-123456"}


def reseal() -> str:
    out = StringIO()
    call_command("reseal", stdout=out)
    return out.getvalue()


def test_after_it_the_old_key_is_not_needed(as_alice, settings):
    settings.DROVER_SECRETS_KEYS = [OLD]
    nodes.create(actor=as_alice, name="gpu-a", base_url="https://gpu-a", credentials=BEARER)
    nodes.create(actor=as_alice, name="gpu-b", base_url="https://gpu-b")
    settings.DROVER_SECRETS_KEYS = [NEW, OLD]
    assert "Sealed anew: 1 node." in reseal()
    settings.DROVER_SECRETS_KEYS = [NEW]
    assert secrets.opened(Node.objects.get(name="gpu-a").sealed_headers) == {"authorization": "Bearer tok-123456"}
    assert AuditEntry.objects.filter(action="node.resealed").count() == 1


def test_where_nothing_is_sealed_there_is_nothing_to_do(as_alice):
    nodes.create(actor=as_alice, name="gpu-a", base_url="https://gpu-a")
    assert "Sealed anew: 0 nodes." in reseal()
    assert not AuditEntry.objects.filter(action="node.resealed").exists()


def test_what_no_key_opens_is_named_and_left_alone_and_the_others_are_done(as_alice, settings):
    out = StringIO()
    for name, key in (("gpu-a", "a key that was lost, 16+"), ("gpu-b", OLD), ("gpu-c", OLD)):
        settings.DROVER_SECRETS_KEYS = [key]
        nodes.create(actor=as_alice, name=name, base_url=f"https://{name}", credentials=BEARER)
    lost = Node.objects.get(name="gpu-a").sealed_headers
    settings.DROVER_SECRETS_KEYS = [NEW, OLD]
    with pytest.raises(CommandError, match="opens the headers of gpu-a: add the key"):
        call_command("reseal", stdout=out)
    assert "Sealed anew: 2 nodes." in out.getvalue()
    settings.DROVER_SECRETS_KEYS = [NEW]
    assert Node.objects.get(name="gpu-a").sealed_headers == lost
    for node in Node.objects.exclude(name="gpu-a"):
        assert secrets.opened(node.sealed_headers) == {"authorization": "Bearer tok-123456"}

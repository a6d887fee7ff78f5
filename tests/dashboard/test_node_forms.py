"""What is read from the forms about nodes, and that a secret is not drawn again."""

from typing import Any

import pytest

from dashboard.node_forms import NodeForm, RestForm, SearchForm

PLAIN = {"base_url": "http://gpu-a:11434", "name": "gpu-a", "slots_per_model": "4"}


def form(**fields: Any) -> NodeForm:
    found = NodeForm({**PLAIN, **fields})
    found.full_clean()
    return found


@pytest.mark.parametrize(
    ("typed", "wishes"),
    [
        ({}, {}),
        ({"token": "herd-secret"}, {"credentials": {"type": "bearer", "token": "herd-secret"}}),
        ({"user": "ana", "password": " p "}, {"credentials": {"type": "basic", "user": "ana", "password": " p "}}),
        ({"drop_credentials": "on"}, {"credentials": None}),
        ({"headers": "X-Team: blue\nX-Old:"}, {"headers": {"X-Team": "blue", "X-Old": None}}),
        ({"drop_headers": "on"}, {"headers": {}}),
    ],
)
def test_only_what_was_typed_changes_what_is_sent_along(typed: dict[str, str], wishes: dict[str, Any]) -> None:
    assert form(**typed).secrets() == wishes


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"token": "t", "user": "ana"}, "token"),
        ({"password": "p"}, "user"),
        ({"headers": "no colon"}, "headers"),
        ({"vram_gb": "nan"}, "vram_gb"),
    ],
)
def test_what_does_not_go_together_is_said_at_its_field(typed: dict[str, str], field: str) -> None:
    assert field in form(**typed).errors


def test_secrets_are_not_drawn_again() -> None:
    page = form(token="herd-secret", user="ana", password="herd-secret", headers="X-Team: herd-secret").as_p()
    assert "herd-secret" not in page


def test_gigabytes_become_bytes_and_nothing_is_unknown() -> None:
    values = form(vram_gb="24").values()
    assert (values["vram_bytes"], values["disk_bytes"]) == (24 * 1024**3, None)


def test_a_rest_has_one_of_the_times_to_choose_from() -> None:
    assert not RestForm({"hours": "3"}).is_valid()
    rest = RestForm({"hours": ""})
    assert rest.is_valid()
    assert rest.until() is None


@pytest.mark.parametrize("ports", ["99999999999", "²", "a"])
def test_ports_are_numbers(ports: str) -> None:
    assert "ports" in SearchForm({"subnets": "10.0.0.0/30", "ports": ports}).errors

"""What is filled in about nodes, as the services take it; and secrets that are not drawn again."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.node_forms import REST_HOURS, NodeForm, RestForm, SearchForm, initial_from_node
from orchestration.models import Node

PLAIN = {"base_url": "http://gpu-a:11434", "name": "gpu-a", "slots_per_model": "2", "verify_tls": "on", "enabled": "on"}
SECRET = "tok-0011223344"
GIB = 2**30


def values(**typed: Any) -> dict[str, Any]:
    form = NodeForm({**PLAIN, **typed})
    assert form.is_valid(), form.errors
    return form.values()


def refused(**typed: Any) -> dict[str, list[str]]:
    form = NodeForm({**PLAIN, **typed})
    assert not form.is_valid()
    return {name: list(words) for name, words in form.errors.items()}


def test_what_was_not_filled_in_changes_no_secret_and_no_size() -> None:
    assert values() == {
        "base_url": "http://gpu-a:11434",
        "name": "gpu-a",
        "slots_per_model": 2,
        "verify_tls": True,
        "enabled": True,
        "labels": [],
    }


@pytest.mark.parametrize(
    ("typed", "size"), [("24", 24 * GIB), ("0.5", GIB // 2), ("1000000", 10**6 * GIB), ("0", None), ("1e-12", None)]
)
def test_gigabytes_are_counted_as_they_are_sold_and_none_is_unknown(typed: str, size: int | None) -> None:
    found = values(vram_gb=typed, disk_gb=typed)
    assert (found["vram_bytes"], found["disk_bytes"]) == (size, size)


@pytest.mark.parametrize("typed", ["-1", "1e300", "1000001", "nan", "inf", "many"])
def test_a_size_that_nothing_has_is_refused(typed: str) -> None:
    assert set(refused(vram_gb=typed, disk_gb=typed)) == {"vram_gb", "disk_gb"}


def test_saving_a_node_as_it_is_shown_does_not_round_what_was_known_to_the_byte() -> None:
    node = Node(**{**PLAIN, "verify_tls": True, "enabled": True}, vram_bytes=24_000_000_000, labels=["fast", "eu"])
    shown = initial_from_node(node)
    assert (shown["vram_gb"], shown["disk_gb"], shown["labels"]) == (22.352, None, "fast, eu")
    sent = {**PLAIN, "labels": shown["labels"]}
    same = NodeForm({**sent, "vram_gb": "22.352"}, initial=shown)
    assert same.is_valid()
    assert not {"vram_bytes", "disk_bytes"} & set(same.values())
    emptied = NodeForm({**sent, "vram_gb": ""}, initial=shown)
    assert emptied.is_valid()
    assert emptied.values()["vram_bytes"] is None


@pytest.mark.parametrize(
    ("typed", "wishes"),
    [
        ({"token": SECRET}, {"credentials": {"type": "bearer", "token": SECRET}}),
        ({"user": "ana"}, {"credentials": {"type": "basic", "user": "ana", "password": ""}}),
        (
            {"user": "ana", "password": " p w "},
            {"credentials": {"type": "basic", "user": "ana", "password": " p w "}},
        ),
        ({"drop_credentials": "on"}, {"credentials": None}),
        ({"drop_credentials": "on", "token": SECRET}, {"credentials": {"type": "bearer", "token": SECRET}}),
        ({"headers": "X-Team: blue\r\n\r\n X-Zone :\n"}, {"headers": {"X-Team": "blue", "X-Zone": None}}),
        ({"headers": "X-Url: http://a:80"}, {"headers": {"X-Url": "http://a:80"}}),
        ({"headers": " \n "}, {}),
        ({"drop_headers": "on"}, {"headers": {}}),
        ({"drop_headers": "on", "headers": "X-A: b"}, {"headers": {"X-A": "b"}}),
    ],
)
def test_secrets_are_wishes_only_where_something_is_to_change(typed: dict[str, str], wishes: dict[str, Any]) -> None:
    found = values(**typed)
    assert {name: found[name] for name in ("credentials", "headers") if name in found} == wishes


def test_credentials_of_two_kinds_are_refused_at_the_field_that_is_too_many() -> None:
    assert set(refused(token=SECRET, user="ana")) == {"token"}
    assert set(refused(token=SECRET, password="p")) == {"token"}
    assert set(refused(password="p")) == {"user"}
    assert set(refused(headers="X-Team blue")) == {"headers"}


def test_no_secret_that_was_typed_is_drawn_again() -> None:
    for form in (NodeForm({"token": SECRET, "password": SECRET, "headers": f"X-A: {SECRET}"}), NodeForm()):
        assert SECRET not in form.as_p()


@pytest.mark.parametrize("hours", [hours for hours in REST_HOURS if hours])
def test_a_rest_ends_so_many_hours_from_now(hours: str) -> None:
    form = RestForm({"hours": hours})
    before = timezone.now()
    assert form.is_valid()
    until = form.until()
    assert until is not None
    assert before <= until - timedelta(hours=float(hours)) <= timezone.now()


@pytest.mark.parametrize("typed", [{"hours": "3"}, {"hours": "-1"}, {"note": "x" * 201}])
def test_a_rest_has_one_of_the_times_to_choose_from_and_a_short_note(typed: dict[str, str]) -> None:
    assert set(RestForm(typed).errors) == set(typed)


def test_a_rest_without_a_choice_has_no_end() -> None:
    form = RestForm({"note": "new card"})
    assert form.is_valid()
    assert (form.cleaned_data["note"], form.until()) == ("new card", None)


def test_a_search_takes_lists_with_commas_or_line_ends_and_each_once() -> None:
    form = SearchForm({"subnets": "10.0.0.0/30, 10.0.0.0/30\n127.0.0.1", "ports": "11434, 80,11434"})
    assert form.is_valid()
    assert (form.cleaned_data["subnets"], form.cleaned_data["ports"]) == (["10.0.0.0/30", "127.0.0.1"], [11434, 80])


@pytest.mark.parametrize("ports", ["many", "-1", "1.5", "123456", "99999999999", "²", "٣", "80;81"])
def test_ports_are_plain_numbers(ports: str) -> None:
    assert list(SearchForm({"subnets": "127.0.0.1", "ports": ports}).errors) == ["ports"]

"""Shapes of what is sent about nodes: what they let in, and what they turn away."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from orchestration.api.node_schemas import NodeChanges, NodeNew, ProbeBody, Rest, SearchBody

NEW = {"name": "gpu-a", "base_url": "http://gpu-a:11434"}
BEARER = {"type": "bearer", "token": "tok-123456"}


def places(shape: Any, **fields: Any) -> list[Any]:
    """Where something is wrong: the outermost name of each problem."""
    with pytest.raises(ValidationError) as caught:
        shape.model_validate(fields)
    return [item["loc"][0] for item in caught.value.errors()]


def test_changes_hold_only_what_was_sent() -> None:
    assert NodeChanges.model_validate({}).model_dump(exclude_unset=True) == {}
    sent = {"vram_bytes": None, "credentials": None, "headers": {"X-Team": None}}
    assert NodeChanges.model_validate(sent).model_dump(exclude_unset=True) == sent


def test_a_new_node_needs_a_name_and_an_address_and_the_rest_has_its_defaults(settings: Any) -> None:
    assert places(NodeNew) == ["name", "base_url"]
    node = NodeNew.model_validate(NEW)
    assert (node.enabled, node.verify_tls, node.slots_per_model) == (True, True, settings.DROVER_SLOTS_PER_MODEL)
    assert (node.vram_bytes, node.labels, node.headers, node.credentials) == (None, [], {}, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vram_bytes", -1),
        ("vram_bytes", 2**63),
        ("disk_bytes", 1.5),
        ("disk_bytes", "24"),
        ("slots_per_model", 0),
        ("slots_per_model", 1001),
        ("slots_per_model", True),
        ("name", "x" * 61),
        ("base_url", "x" * 301),
        ("verify_tls", "no"),
        ("headers", {f"x-{number}": "" for number in range(21)}),
        ("headers", {"x-a": "s" * 8193}),
        ("headers", {"x-a": 1}),
        ("credentials", {"type": "bearer"}),
        ("credentials", {"type": "magic", "token": "t"}),
        ("credentials", {**BEARER, "user": "ana"}),
        ("credentials", {"type": "basic", "user": "ana"}),
    ],
)
def test_what_no_node_has_is_refused_where_it_stands(field: str, value: Any) -> None:
    assert places(NodeNew, **{**NEW, field: value}) == [field]


@pytest.mark.parametrize("field", ["simulated", "sealed_headers", "health"])
def test_what_only_drover_knows_of_a_node_is_not_taken(field: str) -> None:
    with pytest.raises(ValidationError, match=f"has no field {field}"):
        NodeNew.model_validate({**NEW, field: "x"})


def test_the_largest_sizes_and_secrets_are_let_in() -> None:
    most = {"vram_bytes": 2**63 - 1, "disk_bytes": 0, "slots_per_model": 1000, "headers": {"x-a": "s" * 8192}}
    assert NodeNew.model_validate({**NEW, **most}).model_dump(include=set(most)) == most


def test_a_server_is_examined_with_an_address_alone() -> None:
    assert places(ProbeBody) == ["base_url"]
    probe = ProbeBody.model_validate({"base_url": NEW["base_url"], "credentials": BEARER})
    assert (probe.model, probe.verify_tls, probe.model_dump()["credentials"]) == (None, True, BEARER)


def test_a_rest_may_have_neither_a_note_nor_an_end() -> None:
    rest = Rest.model_validate({})
    assert (rest.note, rest.until) == ("", None)
    ends = Rest.model_validate({"until": "2030-01-01T02:00:00+02:00"}).until
    assert ends == datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value"),
    [("until", "2030-01-01T00:00:00"), ("until", "soon"), ("until", []), ("note", "x" * 201), ("note", None)],
)
def test_a_rest_of_another_kind_is_refused(field: str, value: Any) -> None:
    assert places(Rest, **{field: value}) == [field]


def test_a_search_asks_at_the_usual_port_unless_told_otherwise() -> None:
    assert SearchBody.model_validate({"subnets": ["127.0.0.1"]}).ports == [11434]


@pytest.mark.parametrize(
    "fields",
    [
        {"subnets": []},
        {"subnets": ["10.0.0.1"] * 17},
        {"subnets": ["1" * 61]},
        {"ports": []},
        {"ports": [1, 2, 3, 4, 5]},
        {"ports": [0]},
        {"ports": [65536]},
        {"ports": ["80"]},
    ],
)
def test_a_search_is_bounded(fields: dict[str, Any]) -> None:
    assert places(SearchBody, **{"subnets": ["127.0.0.1"], **fields}) == list(fields)

"""What is taken about nodes: a rest's end has its zone, credentials their type, a search its bounds."""

from typing import Any

import pytest
from pydantic import ValidationError

from orchestration.api.node_schemas import NodeChanges, NodeNew, Rest, SearchBody


@pytest.mark.parametrize(
    ("body", "given"),
    [
        (Rest, {"until": "2026-11-22T10:00:00"}),
        (NodeNew, {"name": "gpu-a"}),
        (NodeChanges, {"credentials": {"type": "digest", "token": "t"}}),
        (NodeChanges, {"credentials": {"type": "bearer"}}),
        (NodeChanges, {"headers": {"X-Team": 5}}),
        (NodeChanges, {"vram_bytes": 2**63}),
        (NodeChanges, {"sealed_headers": "x"}),
        (SearchBody, {"subnets": []}),
        (SearchBody, {"subnets": ["10.0.0.0/30"], "ports": [0]}),
    ],
)
def test_what_has_another_shape_is_refused(body: Any, given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        body(**given)


def test_only_what_is_sent_changes() -> None:
    assert NodeChanges(headers={"X-Team": None}).model_dump(exclude_unset=True) == {"headers": {"X-Team": None}}

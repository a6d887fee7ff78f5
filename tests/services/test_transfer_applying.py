"""Where an error of a service says that it is, as a path into a document."""

from typing import Any

import pytest

from orchestration.errors import Conflict, DroverError, InvalidInput, InvalidNodeAddress
from orchestration.policy.workflows import Problem, invalid
from orchestration.services.transfer_applying import blamed


@pytest.mark.parametrize(
    ("error", "places"),
    [
        (InvalidInput("no", field="name"), {("name",): "no"}),
        (InvalidInput("no"), {(): "no"}),
        (InvalidInput("no", option="seed"), {("options", "seed"): "no"}),
        (
            InvalidInput("a b", option="seed", fields={"seed": "a", "top_k": "b"}),
            {("options", "seed"): "a", ("options", "top_k"): "b"},
        ),
        (Conflict("taken", fields={"base_url": "taken", "": "odd"}), {("base_url",): "taken", (): "odd"}),
        (InvalidNodeAddress("no", url="x"), {("base_url",): "no"}),
        (
            invalid([Problem(message="a", field="name"), Problem(message="b", field="type", step="s", number=1)]),
            {("name",): "a", ("steps[1]", "type"): "b"},
        ),
    ],
    ids=str,
)
def test_an_error_says_where_it_is(error: DroverError, places: dict[tuple[str, ...], Any]) -> None:
    assert dict(blamed(error)) == places

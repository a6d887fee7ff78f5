"""Each kind of error has its status and its words, and none of them shows what is inside."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.http import HttpRequest

from orchestration import errors, queries
from orchestration.api import problems

from .conftest import ApiClient, refusal


def tree(root: type[errors.DroverError]) -> list[type[errors.DroverError]]:
    return [root, *(found for child in root.__subclasses__() for found in tree(child))]


@pytest.mark.parametrize("kind", tree(errors.DroverError), ids=lambda kind: kind.__name__)
def test_every_error_of_the_tree_leaves_with_its_code_and_status(kind: type[errors.DroverError]) -> None:
    needed: dict[str, Any] = {
        "TooManyWaiting": {"retry_after": timedelta(seconds=1.2)},
        "Refused": {"status": 503},
    }.get(kind.__name__, {})
    response = problems.of_drover(HttpRequest(), kind("Words.", **needed))
    error = refusal(response, kind.http_status, kind.code)
    assert error["message"] == "Words."


def test_retry_after_is_whole_seconds_rounded_up() -> None:
    error = errors.TooManyWaiting("Words.", retry_after=timedelta(seconds=1.2))
    assert problems.of_drover(HttpRequest(), error)["Retry-After"] == "2"


def test_a_detail_may_have_any_name() -> None:
    error = errors.Conflict("Words.", status="running", code=7)
    assert refusal(problems.of_drover(HttpRequest(), error), 409)["detail"] == {"status": "running", "code": 7}


@pytest.mark.parametrize(
    ("loc", "words"),
    [
        (("body", "body", "tasks", 0, "messages", 2, "role"), "tasks[0].messages[2].role"),
        (("body", "body"), "the body"),
        (("query", "limit"), "limit"),
        (("header", "Idempotency-Key"), "Idempotency-Key"),
    ],
)
def test_a_place_is_told_as_people_write_it(loc: tuple[str | int, ...], words: str) -> None:
    assert problems.path_in_words(loc) == words


def test_a_fault_of_ours_shows_a_number_and_no_more(
    bob_api: ApiClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("the secret inside")

    monkeypatch.setattr(queries, "agents", fail)
    response = bob_api.get("agents")
    error = refusal(response, 500, "internal_error")
    assert "secret" not in response.content.decode()
    assert error["detail"]["error_id"] in caplog.text
    assert "the secret inside" in caplog.text


def test_a_database_that_is_away_is_503_with_a_time_to_come_back(
    bob_api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(queries, "agents", fail)
    response = bob_api.get("agents")
    refusal(response, 503, "database_unavailable")
    assert response["Retry-After"] == "2"


def test_many_problems_are_counted_after_the_first_few(bob_api: ApiClient) -> None:
    tasks = [{"type": n, "input": n} for n in range(4)]
    error = refusal(bob_api.post("tasks", {"tasks": tasks}), 400)
    assert error["message"].endswith("; and 5 more")
    assert len(error["detail"]["problems"]) == 8


def test_what_was_sent_is_not_sent_back(bob_api: ApiClient) -> None:
    response = bob_api.post("tasks", {"tasks": [{"type": "generate", "input": {"password": "hunter2"}}]})
    assert "hunter2" not in json.dumps(refusal(response, 400))

"""Runs on the wire, and the one word for many tasks."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.models import Run, User
from orchestration.payloads import PUBLIC_STATUS, RunPayload, run, run_status
from tests.payloads.conftest import AT, SENT, Exactly

WORDS = sorted(set(PUBLIC_STATUS.values()))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "completed"),
        (["pending"], "pending"),
        (["pending", "pending"], "pending"),
        (["pending", "running"], "running"),
        (["pending", "completed"], "running"),
        (["pending", "failed"], "running"),
        (["pending", "cancelled"], "running"),
        (["running"], "running"),
        (["running", "failed", "cancelled", "completed"], "running"),
        (["completed"], "completed"),
        (["completed", "cancelled"], "cancelled"),
        (["completed", "failed"], "failed"),
        (["cancelled"], "cancelled"),
        (["failed", "cancelled"], "failed"),
        (["failed", "cancelled", "completed"], "failed"),
    ],
)
def test_a_run_has_the_word_that_its_tasks_make(words: list[str], expected: str) -> None:
    assert run_status({word: words.count(word) for word in words}) == expected


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1), st.randoms(use_true_random=False))
def test_a_run_is_open_exactly_while_a_task_is(words: list[str], chance: random.Random) -> None:
    found = run_status({word: words.count(word) for word in chance.sample(WORDS, len(WORDS))})
    assert (found in ("pending", "running")) == bool({"pending", "running"} & set(words))
    assert (found == "pending") == (set(words) == {"pending"})
    assert (found == "completed") == (set(words) == {"completed"})
    assert found == "running" or found in words


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(WORDS), st.integers(0, 500)))
def test_words_without_tasks_and_their_number_do_not_matter(counts: dict[str, int]) -> None:
    once = {word: 1 for word, number in counts.items() if number}
    assert run_status(counts) == run_status(once)


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS)))
def test_a_failure_among_ended_tasks_is_never_hidden(words: list[str]) -> None:
    ended = [word for word in words if word not in ("pending", "running")]
    assert run_status({"failed": 1, **{word: ended.count(word) for word in ended}}) == "failed"


def test_a_run_has_every_field(exactly: Exactly, person: User) -> None:
    counts = {"completed": 2, "failed": 1}
    sent = run(Run(pk=3, kind="batch", owner=person, agent_id=4, agent_name="writer", created_at=AT), counts=counts)
    exactly(RunPayload, sent)
    assert (sent["status"], sent["counts"], sent["owner"], sent["created_at"]) == ("failed", counts, "bob", SENT)
    assert not {"tasks", "results"} & set(sent)


def test_a_run_of_nobody_by_a_deleted_agent_keeps_the_name(exactly: Exactly) -> None:
    sent = run(Run(pk=3, kind="single", agent_name="writer", created_at=AT), counts={})
    exactly(RunPayload, sent)
    assert (sent["owner"], sent["agent_id"], sent["agent"]) == (None, None, "writer")


def test_the_key_of_a_request_is_not_told() -> None:
    sent = run(Run(pk=3, agent_name="w", created_at=AT, idempotency_key="k-1", request_hash="h-1"), counts={})
    assert not {"k-1", "h-1"} & {value for value in sent.values() if isinstance(value, str)}

"""Attempts on the wire."""

from typing import Any

import pytest

from orchestration.models import Attempt
from orchestration.payloads import AttemptPayload, attempt
from tests.payloads.conftest import AT, SENT, Exactly

TIMES = ("started_at", "first_token_at", "ended_at", "retry_at")
MEASURED = ("load_seconds", "prefill_seconds", "decode_seconds", "prompt_tokens", "output_tokens")


def stored(**fields: Any) -> Attempt:
    kept = {"pk": 9, "number": 2, "node_name": "gpu-a", "model_name": "llama3.2:latest", "num_ctx": 4096, "slot": 0}
    return Attempt(**{**kept, "token": "a" * 32, "queue": "normal", "granted_at": AT, **fields})


def test_an_attempt_that_was_only_granted_knows_little(exactly: Exactly) -> None:
    sent = attempt(stored())
    exactly(AttemptPayload, sent)
    assert (sent["status"], sent["granted_at"]) == ("granted", SENT)
    unknown = (*TIMES, *MEASURED, "error_code", "error", "request")
    assert {name: sent[name] for name in unknown} == dict.fromkeys(unknown)


def test_an_ended_attempt_tells_all_it_measured_even_zeros(exactly: Exactly) -> None:
    measured = {"load_seconds": 0.0, "prefill_seconds": 0.5, "decode_seconds": 2.0}
    counts = {"prompt_tokens": 0, "output_tokens": 90}
    sent = attempt(stored(status="completed", **dict.fromkeys(TIMES, AT), **measured, **counts, request={"model": "m"}))
    exactly(AttemptPayload, sent)
    assert {name: sent[name] for name in MEASURED} == measured | counts
    assert {sent[name] for name in TIMES} == {SENT}


@pytest.mark.parametrize("counts", [True, False])
def test_a_failed_attempt_says_why_and_whether_it_counted(exactly: Exactly, counts: bool) -> None:
    sent = attempt(stored(status="failed", error_code="refused", error="no such model", counts_as_try=counts))
    exactly(AttemptPayload, sent)
    assert (sent["error_code"], sent["error"], sent["counts_as_try"]) == ("refused", "no such model", counts)


def test_the_token_that_opens_an_attempt_is_never_sent() -> None:
    assert "a" * 32 not in attempt(stored()).values()

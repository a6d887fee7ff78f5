"""Every reason for waiting says what has to happen next."""

import pytest

from orchestration.policy.decision import Waits
from orchestration.policy.prospects import OwnWaits, next_step


def _next(code, models=("qwen3:8b",), patience=60.0, waited=5.0):
    return next_step(code, models=models, patience=patience, waited=waited)


@pytest.mark.parametrize("code", [*Waits, *OwnWaits])
def test_every_reason_has_a_next_step(code):
    words = _next(code)
    assert words
    assert "{" not in words


def test_a_reason_nobody_knows_promises_nothing():
    assert _next("") == ""


def test_the_model_is_named_where_there_is_one():
    assert "ollama pull qwen3:8b" in _next(Waits.NOT_PULLED)
    assert "one of its models" in _next(Waits.LOADING, models=("a", "b"))


def test_a_model_on_no_node_says_when_patience_ends():
    assert "after 60 s of waiting, in 55 s, a busy model makes room" in _next(Waits.NO_ROOM)
    assert "longer than 60 s" in _next(Waits.NO_ROOM, waited=61.0)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (Waits.NOT_PULLED, "It starts by itself once gpu-a has the model: ollama pull a:1b"),
        (Waits.NODE_UNAVAILABLE, "It starts when gpu-a takes work again; it is asked every few seconds."),
        (Waits.BUSY, "It starts when a slot of gpu-a is free."),
        (Waits.LOADING, "It starts when a:1b is in memory."),
    ],
)
def test_a_task_that_one_node_may_run_waits_for_that_one(code, words):
    assert next_step(code, models=["a:1b"], patience=60, waited=1, only="gpu-a") == words

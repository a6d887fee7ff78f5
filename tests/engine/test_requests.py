"""What is asked of a node, and what is kept of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestration.engine import requests
from orchestration.services.work import AttemptWork

WORK = AttemptWork(
    attempt_id=1,
    task_id=2,
    token="t",
    number=1,
    node_id=3,
    node_name="gpu-a",
    base_url="http://gpu-a:11434",
    verify_tls=True,
    model="qwen3:8b",
    model_loaded=True,
    capabilities=("completion",),
    num_ctx=8192,
    type="generate",
    prompt="Hello",
    inputs=["Hello"],
    messages=[{"role": "user", "content": "Hello", "images": ["aGk="]}],
    system="",
    images=["aGk="],
    options={"num_ctx": 8192},
    format=None,
    tools=None,
    think=None,
    keep_alive=timedelta(minutes=30),
    timeout=None,
)


@pytest.mark.parametrize("kind", ["generate", "chat", "embed"])
def test_model_context_and_keep_alive_are_always_said(kind):
    sent = requests.arguments(replace(WORK, type=kind))
    assert (sent["model"], sent["options"]["num_ctx"]) == ("qwen3:8b", 8192)
    assert sent["keep_alive"] == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("asked", "capabilities", "sent"),
    [
        (None, ("completion",), None),
        (None, ("completion", "thinking"), True),
        (False, ("completion", "thinking"), False),
        ("high", ("completion", "thinking"), "high"),
        (True, (), True),
    ],
)
def test_thinking_is_said_aloud_to_models_that_can(asked, capabilities, sent):
    assert requests.arguments(replace(WORK, think=asked, capabilities=capabilities))["think"] == sent


@pytest.mark.parametrize("kind", ["generate", "chat"])
def test_the_record_has_no_images(kind):
    work = replace(WORK, type=kind)
    assert "aGk=" not in str(requests.record(work, requests.arguments(work)))


def test_the_record_cuts_long_texts_and_leaves_out_what_was_not_said():
    work = replace(WORK, prompt="x" * 50_000)
    kept = requests.record(work, requests.arguments(work))
    assert len(kept["prompt"]) < 21_000
    assert kept["prompt"].endswith("(50000 characters)")
    assert kept["keep_alive"] == 1800
    assert "format" not in kept


@pytest.mark.parametrize("kind", ["generate", "chat"])
def test_a_model_is_shown_its_answer_and_what_is_wrong_with_it(kind):
    work = replace(WORK, type=kind, format={"type": "object"})
    first, again = requests.arguments(work), requests.repairing(work, "[1]", "the whole: [1] is not of type 'object'.")
    assert again["format"] == {"type": "object"}
    if kind == "chat":
        *before, said, plea = again["messages"]
        assert before == first["messages"]
        assert said == {"role": "assistant", "content": "[1]"}
        assert "is not of type 'object'" in plea["content"]
    else:
        assert again["prompt"].startswith(first["prompt"])
        assert "[1]" in again["prompt"]
        assert "is not of type 'object'" in again["prompt"]


def test_the_record_tells_of_more_than_one_call_and_of_what_was_known():
    work = replace(WORK, type="embed")
    record = requests.record(work, requests.arguments(work), calls=0, from_cache=3)
    assert (record["path"], record["calls"], record["from_cache"]) == ("/api/embed", 0, 3)

"""What an attempt has said, and what of it is sent next."""

import pytest

from orchestration.engine.feeds import Feed, Words
from orchestration.ollama.wire import Chunk, ToolCall
from orchestration.policy.states import Phase


def chunk(text="", thinking="", calls=()):
    return Chunk(
        text=text,
        thinking=thinking,
        tool_calls=tuple(calls),
        done=False,
        done_reason=None,
        metrics=None,
        model="",
        raw={},
    )


def a_feed(limit=0):
    return Feed({}, attempt_id=1, task_id=2, key=("gpu-a", "llama3.2:latest"), limit=limit)


def test_offsets_count_code_points():
    words = Words()
    words.append("añ🦙")
    assert words.take(whole=False) == (0, "añ🦙")
    words.append("x")
    words.append("y")
    assert words.take(whole=False) == (3, "xy")
    assert words.take(whole=False) == (5, "")
    words.append("z")
    assert words.take(whole=True) == (0, "añ🦙xyz")
    assert str(words) == "añ🦙xyz"


def test_a_frame_has_only_what_is_new():
    feed = a_feed()
    feed.enter(Phase.LOADING, "loading")
    assert feed.frames() == [{"p": "loading", "n": 0}]
    assert feed.frames() == []
    feed.add(chunk("Hel"))
    feed.add(chunk("lo", thinking="hm"))
    assert feed.frames() == [{"o": 0, "t": "Hello", "ho": 0, "h": "hm", "p": "generating", "n": 3}]
    feed.add(chunk("!"))
    assert feed.frames() == [{"o": 5, "t": "!", "n": 4}]


def test_tool_calls_are_sent_whole_whenever_there_is_another():
    feed = a_feed()
    call = ToolCall(name="stock", arguments={"item": "tea"}, id="call_1", index=0)
    feed.add(chunk(calls=[call]))
    native = {"id": "call_1", "function": {"index": 0, "name": "stock", "arguments": {"item": "tea"}}}
    assert feed.frames()[0]["c"] == [native]
    feed.add(chunk("text"))
    assert "c" not in feed.frames()[0]
    feed.add(chunk(calls=[call]))
    assert feed.frames()[0]["c"] == [native, native]


def test_after_a_loss_the_next_frame_is_everything():
    feed = a_feed()
    feed.add(chunk("Hello", thinking="hm"))
    feed.frames()
    feed.add(chunk(" you"))
    feed.again()
    assert feed.frames() == [{"o": 0, "t": "Hello you", "ho": 0, "h": "hm", "p": "generating", "n": 3}]


@pytest.mark.parametrize(
    ("tokens", "limit", "percent"), [(0, 50, 0), (20, 50, 40), (60, 50, 99), (20, 0, 0), (5, -1, 0)]
)
def test_progress_is_known_where_the_length_is_bounded(tokens, limit, percent):
    feed = a_feed(limit)
    for _ in range(tokens):
        feed.add(chunk("x"))
    assert feed.percent == percent


def test_progress_is_what_it_was_told_where_somebody_knows():
    feed = a_feed()
    for told, percent in ((-5, 0), (33.9, 33), (250, 99)):
        feed.tell(told, "sorting")
        assert (feed.percent, feed.progress()["message"]) == (percent, "sorting")


def test_what_is_said_is_sent_like_what_is_heard():
    feed = a_feed()
    feed.say("Hello")
    assert feed.frames()[0]["t"] == "Hello"


def test_tokens_of_a_call_beside_are_counted_and_its_words_are_not_sent():
    feed = a_feed()
    beside = feed.beside()
    for it in (chunk("Hel"), chunk("lo", thinking="hm")):
        feed.count(it)
        beside.add(it)
    assert (feed.tokens, str(feed.text), str(beside.text)) == (3, "", "Hello")
    assert feed.phase == Phase.GENERATING
    assert feed.first_token_at

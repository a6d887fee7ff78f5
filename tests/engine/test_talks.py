"""What a talk with a node leaves: figures that are true."""

from datetime import timedelta

from orchestration.engine.feeds import Feed
from orchestration.engine.talks import measured
from orchestration.ollama import wire


def test_counts_the_server_leaves_out_are_filled_from_what_was_seen():
    feed = Feed({}, attempt_id=1, task_id=1, key=("", ""), limit=0)
    last = wire.parse_chunk({"response": "x", "done": True, "prompt_eval_count": 4})
    feed.add(last)
    seen = measured(last, feed)
    assert (seen.prompt_tokens, seen.output_tokens) == (4, 1)
    assert seen.decode > timedelta()


def test_counts_the_server_gives_are_kept():
    feed = Feed({}, attempt_id=1, task_id=1, key=("", ""), limit=0)
    last = wire.parse_chunk({"response": "x", "done": True, "eval_count": 7, "eval_duration": 1_000_000})
    feed.add(last)
    assert measured(last, feed) == last.metrics

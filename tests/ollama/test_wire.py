"""From what Ollama sends to dataclasses, with every field that may be missing or odd."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from orchestration.errors import InvalidInput, MalformedAnswer
from orchestration.ollama import wire

FINAL_CHAT = {
    "model": "orchid:8b",
    "created_at": "2026-08-21T09:14:05.900120034Z",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
    "total_duration": 3120458911,
    "load_duration": 41288113,
    "prompt_eval_count": 38,
    "prompt_eval_duration": 64120000,
    "eval_count": 131,
    "eval_duration": 2811904000,
}


def test_the_last_chat_object_has_metrics_as_durations():
    chunk = wire.parse_chunk(FINAL_CHAT)
    assert (chunk.done, chunk.done_reason, chunk.text, chunk.model) == (True, "stop", "", "orchid:8b")
    assert chunk.metrics is not None
    assert chunk.metrics.total == timedelta(microseconds=3120458.911)
    assert (chunk.metrics.prompt_tokens, chunk.metrics.output_tokens) == (38, 131)
    assert chunk.metrics.tokens_per_second == pytest.approx(46.59, abs=0.01)
    assert chunk.metrics.queued_inside == timedelta(microseconds=203147)


def test_metrics_of_two_calls_add_up():
    metrics = wire.parse_metrics(FINAL_CHAT)
    both = metrics + metrics
    assert (both.prompt_tokens, both.output_tokens) == (76, 262)
    assert both.total == 2 * metrics.total
    assert both.queued_inside == 2 * metrics.queued_inside
    assert both.tokens_per_second == pytest.approx(metrics.tokens_per_second)


def test_missing_counts_and_durations_are_zero():
    chunk = wire.parse_chunk({"model": "m", "response": "", "done": True, "done_reason": "load"})
    assert chunk.metrics == wire.parse_metrics({})
    assert chunk.metrics is not None
    assert chunk.metrics.total == timedelta()
    assert chunk.metrics.tokens_per_second is None
    assert chunk.metrics.queued_inside == timedelta()


def test_durations_that_add_up_to_more_than_the_total_mean_no_waiting():
    metrics = wire.parse_metrics({"total_duration": 10_000, "load_duration": 9_000, "eval_duration": 9_000})
    assert metrics.queued_inside == timedelta()


def test_a_call_whose_parts_are_not_told_is_not_taken_for_one_that_waited():
    embedded = wire.parse_metrics({"total_duration": 48_213_309, "load_duration": 21_039_114, "prompt_eval_count": 7})
    assert embedded.queued_inside == timedelta()


def test_a_generate_object_and_a_chat_object_look_alike():
    generate = wire.parse_chunk({"model": "m", "response": "Blue", "thinking": "hm", "done": False})
    chat = wire.parse_chunk({"model": "m", "message": {"content": "Blue", "thinking": "hm"}, "done": False})
    assert (generate.text, generate.thinking) == (chat.text, chat.thinking) == ("Blue", "hm")
    assert generate.metrics is chat.metrics is None


def test_tool_calls_are_read_from_any_object_even_the_last():
    calls = [
        {"id": "call_1", "function": {"index": 0, "name": "stock", "arguments": {"item": "tea"}}},
        {"function": {"name": "stock", "arguments": '{"item": "salt"}'}},
        {"function": {"name": "clock"}},
    ]
    message = {"role": "assistant", "content": "", "tool_calls": calls}
    chunk = wire.parse_chunk(FINAL_CHAT | {"message": message})
    assert [(call.name, call.arguments, call.id, call.index) for call in chunk.tool_calls] == [
        ("stock", {"item": "tea"}, "call_1", 0),
        ("stock", {"item": "salt"}, None, 1),
        ("clock", {}, None, 2),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"status": "success"},
        {"message": "text", "done": False},
        {"response": ["a"], "done": False},
        {"response": "a", "done": "yes"},
        {"message": {"content": 5}, "done": False},
        {"message": {"content": "", "tool_calls": {"name": "x"}}, "done": False},
        {"message": {"content": "", "tool_calls": ["x"]}, "done": False},
        {"message": {"content": "", "tool_calls": [{"function": {"arguments": "{"}}]}, "done": False},
        {"response": "", "done": True, "eval_count": "12"},
        {"response": "", "done": True, "eval_count": True},
        {"response": "", "done": True, "total_duration": 10**40},
        {"response": "", "done": True, "total_duration": float("inf")},
    ],
)
def test_an_object_of_another_shape_is_malformed(answer):
    with pytest.raises(MalformedAnswer):
        wire.parse_chunk(answer)


def test_installed_models_are_read_from_old_and_new_servers():
    models = wire.parse_installed(
        {
            "models": [
                {
                    "name": "orchid:8b",
                    "model": "orchid:8b",
                    "modified_at": "2026-08-14T18:02:41.550312907+02:00",
                    "size": 4920753328,
                    "digest": "5f0c",
                    "details": {
                        "family": "llama",
                        "families": ["llama"],
                        "parameter_size": "8.0B",
                        "quantization_level": "Q4_K_M",
                        "context_length": 131072,
                        "embedding_length": 4096,
                    },
                    "capabilities": ["completion", "tools"],
                },
                {"model": "far:cloud", "remote_host": "https://far.example", "details": {"families": None}},
            ]
        }
    )
    new, old = models
    assert new.modified_at == datetime(2026, 8, 14, 16, 2, 41, 550312, tzinfo=UTC)
    assert (new.capabilities, new.context_length, new.embedding_length) == (("completion", "tools"), 131072, 4096)
    assert (new.families, new.remote) == (("llama",), False)
    assert (old.name, old.digest, old.families, old.capabilities) == ("far:cloud", "", (), ())
    assert (old.context_length, old.modified_at, old.remote) == (None, None, True)


def test_a_model_that_is_loaded_forever_expires_in_the_year_2318():
    entry = {"name": "orchid:8b", "size": 6, "size_vram": 4, "expires_at": "2318-12-02T11:20:03.904112345+02:00"}
    (loaded,) = wire.parse_loaded({"models": [entry]})
    assert loaded.expires_at == datetime(2318, 12, 2, 9, 20, 3, 904112, tzinfo=UTC)
    assert (loaded.vram_bytes, loaded.context_length, loaded.digest) == (4, None, "")


@pytest.mark.parametrize(
    "stamp", [None, "", "soon", 12, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59Z"]
)
def test_an_unusable_time_is_none(stamp):
    (loaded,) = wire.parse_loaded({"models": [{"name": "m", "expires_at": stamp}]})
    assert loaded.expires_at is None


def test_no_models_may_be_an_empty_list_or_null():
    assert wire.parse_loaded({"models": []}) == wire.parse_installed({"models": None}) == []


@pytest.mark.parametrize("answer", [{}, {"models": {}}, {"models": ["m"]}, {"models": [{"size": 1}]}])
def test_a_list_of_models_of_another_shape_is_malformed(answer):
    with pytest.raises(MalformedAnswer):
        wire.parse_installed(answer)


@pytest.mark.parametrize("name", ["two\nlines:7b", " ", "a b:7b", "nul\0", "turned\u202e:7b"])
def test_a_name_that_cannot_stand_in_an_address_is_no_models(name):
    with pytest.raises(MalformedAnswer):
        wire.parse_installed({"models": [{"name": name}]})


def test_sizes_beyond_what_a_database_counts_are_cut():
    (loaded,) = wire.parse_loaded({"models": [{"name": "m", "size": 2**63, "size_vram": -1}]})
    assert (loaded.size_bytes, loaded.vram_bytes) == (2**53, 0)
    with pytest.raises(MalformedAnswer):
        wire.parse_installed({"models": [{"name": "m", "size": 10**30}]})


def test_details_take_the_context_length_from_the_architecture():
    details = wire.parse_details(
        {
            "details": {"family": "llama", "parameter_size": "8.0B", "quantization_level": "Q4_K_M"},
            "model_info": {
                "clip.context_length": 77,
                "general.architecture": "llama",
                "llama.context_length": 131072,
                "tokenizer.ggml.tokens": None,
            },
            "capabilities": ["completion"],
        }
    )
    assert (details.context_length, details.capabilities, details.family) == (131072, ("completion",), "llama")
    assert (details.template, details.license, details.system, details.parameters) == ("", "", "", "")


def test_details_of_an_empty_model_have_no_context_length():
    assert wire.parse_details({"model_info": {}}).context_length is None
    assert wire.parse_details({"model_info": {"bert.context_length": 512}}).context_length == 512


def test_embeddings_keep_their_order_and_metrics():
    result = wire.parse_embeddings({"embeddings": [[0.1], [0.2]], "prompt_eval_count": 7, "load_duration": 1000})
    assert result.vectors == [[0.1], [0.2]]
    assert (result.metrics.prompt_tokens, result.metrics.load) == (7, timedelta(microseconds=1))
    with pytest.raises(MalformedAnswer):
        wire.parse_embeddings({"embedding": [0.1]})


def test_pull_progress_ends_with_success():
    layer = wire.parse_pull({"status": "pulling 7c1e", "digest": "sha256:7c1e", "total": 10})
    assert (layer.total, layer.completed, layer.done) == (10, None, False)
    assert wire.parse_pull({"status": "success"}).done
    with pytest.raises(MalformedAnswer):
        wire.parse_pull({"done": True})


@pytest.mark.parametrize(
    ("value", "keep_alive"),
    [
        (None, None),
        (0, timedelta()),
        (0.5, timedelta(seconds=0.5)),
        (300, timedelta(minutes=5)),
        (-1, wire.FOREVER),
        (-1.0, wire.FOREVER),
        (1e300, wire.FOREVER),
        ("0", timedelta()),
        ("0s", timedelta()),
        ("5m0s", timedelta(minutes=5)),
        ("1h30m", timedelta(hours=1.5)),
        ("1.5h", timedelta(hours=1.5)),
        ("300ms", timedelta(seconds=0.3)),
        ("250µs", timedelta(microseconds=250)),
        ("-5m", wire.FOREVER),
        ("99999999999h", wire.FOREVER),
    ],
)
def test_keep_alive_is_understood_as_ollama_does(value, keep_alive):
    assert wire.parse_keep_alive(value) == keep_alive


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("10", "missing unit"),
        ("-1", "missing unit"),
        ("abc", "invalid"),
        ("", "invalid"),
        ("5 m", "invalid"),
        (True, "seconds or a duration"),
        ([], "seconds or a duration"),
        (float("nan"), "a number"),
    ],
)
def test_a_wrong_keep_alive_is_refused(value, words):
    with pytest.raises(InvalidInput, match=words):
        wire.parse_keep_alive(value)


@pytest.mark.parametrize(
    ("keep_alive", "sent"),
    [
        (timedelta(minutes=5), 300),
        (timedelta(), 0),
        (timedelta(milliseconds=1500), 1.5),
        (wire.FOREVER, -1),
        (timedelta(seconds=-5), -1),
    ],
)
def test_keep_alive_is_sent_as_seconds(keep_alive, sent):
    assert json.dumps(wire.format_keep_alive(keep_alive)) == json.dumps(sent)
